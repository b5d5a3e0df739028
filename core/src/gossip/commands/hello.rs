//! Who the client is, and how it wants to be spoken to.

use alloc::format;

use super::super::machine::Gossip;
use super::super::resp::{Resp, is, number};
use super::clients::Answers;
use super::table::Row;
use super::{Call, Client};

/// The Redis version whose behaviour this is.
pub(super) const VERSION: &str = "7.0.15";

pub(super) fn ping(machine: &mut Gossip, call: &mut Call<'_>) {
    let text = call.word(1).to_vec();
    if call.words.len() > 2 {
        return call.error("wrong number of arguments for 'ping' command");
    }
    if machine.only_listens(call.link) {
        call.reply().array(2);
        call.reply().bulk("pong");
        return call.reply().bulk(text);
    }
    if call.words.len() == 1 { call.reply().simple("PONG") } else { call.reply().bulk(text) }
}

pub(super) fn echo(_: &mut Gossip, call: &mut Call<'_>) {
    let text = call.word(1).to_vec();
    call.reply().bulk(text);
}

/// `HELLO [2|3] [AUTH user password] [SETNAME name]`.
pub(super) fn hello(machine: &mut Gossip, call: &mut Call<'_>) {
    let mut resp = call.resp;
    if call.words.len() > 1 {
        resp = match number(call.word(1)) {
            Some(2) => Resp::Two,
            Some(3) => Resp::Three,
            Some(_) => return call.reply().error_code("NOPROTO unsupported protocol version"),
            None => return call.error("Protocol version is not an integer or out of range"),
        };
    }
    let mut at = 2;
    while at < call.words.len() {
        let left = call.words.len() - at - 1;
        if is(call.word(at), "auth") && left >= 2 {
            if !admits(machine, call, at + 1, at + 2) {
                return wrong_password(call);
            }
            at += 3;
        } else if is(call.word(at), "setname") && left >= 1 {
            let name = call.word(at + 1).to_vec();
            if !is_name(&name) {
                return bad_name(call);
            }
            if let Some(client) = machine.clients.all.get_mut(&call.link) {
                client.name = name;
            }
            at += 2;
        } else {
            let option = call.text(at);
            return call.error(format_args!("Syntax error in HELLO option '{option}'"));
        }
    }
    let is_master = machine.table.me().is_master();
    let Some(client) = machine.clients.all.get_mut(&call.link) else { return };
    if !client.known {
        return call.reply().error_code(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version \
             at the same time",
        );
    }
    client.resp = resp;
    let id = client.id;
    call.resp = resp;
    let mut reply = call.reply();
    reply.map(7);
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(VERSION);
    reply.bulk("proto");
    reply.integer(if resp == Resp::Three { 3 } else { 2 });
    reply.bulk("id");
    reply.integer(id as i64);
    reply.bulk("mode");
    reply.bulk("cluster");
    reply.bulk("role");
    reply.bulk(if is_master { "master" } else { "replica" });
    reply.bulk("modules");
    reply.array(0);
}

/// `AUTH [user] password`: there is only Redis' default user, who may need none.
pub(super) fn auth(machine: &mut Gossip, call: &mut Call<'_>) {
    let admitted = match call.words.len() {
        2 if machine.config.password.is_none() => {
            return call.error(
                "AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            );
        }
        2 => admits(machine, call, 0, 1),
        3 => admits(machine, call, 1, 2),
        _ => return call.syntax_error(),
    };
    if admitted { call.ok() } else { wrong_password(call) }
}

/// Whether this is the default user (its word's place; 0: not named) and its password. It is known
/// from here on; who was before stays so.
fn admits(machine: &mut Gossip, call: &Call<'_>, user: usize, password: usize) -> bool {
    let right = machine.config.password.as_ref().is_none_or(|it| it.is(call.word(password)));
    let admitted = right && (user == 0 || call.word(user) == b"default");
    if let Some(client) = machine.clients.all.get_mut(&call.link) {
        client.known |= admitted;
    }
    admitted
}

impl Gossip {
    /// Whether a client may ask for this: without the password, only to say it or to leave. It is
    /// told if not.
    pub(super) fn hears(&self, call: &mut Call<'_>, row: &Row) -> bool {
        let known = self.clients.all.get(&call.link).is_some_and(|client| client.known);
        let hears = known || matches!(row.name, "auth" | "hello" | "quit" | "reset");
        if !hears {
            let because = if row.is_exec() { "EXECABORT Transaction discarded because of: " } else { "" };
            call.reply().error_code(format_args!("{because}NOAUTH Authentication required."));
        }
        hears
    }
}

fn wrong_password(call: &mut Call<'_>) {
    call.reply().error_code("WRONGPASS invalid username-password pair or user is disabled.");
}

pub(super) fn select(_: &mut Gossip, call: &mut Call<'_>) {
    match number(call.word(1)).map(i32::try_from) {
        Some(Ok(0)) => call.ok(),
        Some(Ok(_)) => call.error("SELECT is not allowed in cluster mode"),
        Some(Err(_)) => call.error("value is out of range, value must between -2147483648 and 2147483647"),
        None => call.not_an_integer(),
    }
}

pub(super) fn quit(machine: &mut Gossip, call: &mut Call<'_>) {
    call.ok();
    machine.clients.leaving = Some(call.link);
}

/// As if the client had just come.
pub(super) fn reset(machine: &mut Gossip, call: &mut Call<'_>) {
    machine.discard(call.link);
    machine.unsubscribe_all(call.link);
    let known = machine.config.password.is_none();
    if let Some(client) = machine.clients.all.get_mut(&call.link) {
        client.resp = Resp::Two;
        client.name.clear();
        client.known = known;
        client.readonly = false;
        client.asking = false;
        client.answers = Answers::default();
        client.tracking = None;
    }
    call.reply().simple("RESET");
}

pub(super) fn set(machine: &mut Gossip, call: &mut Call<'_>, what: impl FnOnce(&mut Client)) {
    if let Some(client) = machine.clients.all.get_mut(&call.link) {
        what(client);
    }
    call.ok();
}

pub(super) fn readonly(machine: &mut Gossip, call: &mut Call<'_>) {
    set(machine, call, |client| client.readonly = true);
}

pub(super) fn readwrite(machine: &mut Gossip, call: &mut Call<'_>) {
    set(machine, call, |client| client.readonly = false);
}

pub(super) fn asking(machine: &mut Gossip, call: &mut Call<'_>) {
    set(machine, call, |client| client.asking = true);
}

pub(super) fn is_name(name: &[u8]) -> bool {
    name.iter().all(|&byte| (b'!'..=b'~').contains(&byte))
}

pub(super) fn bad_name(call: &mut Call<'_>) {
    call.error("Client names cannot contain spaces, newlines or special characters.");
}

/// What a family has, a line each.
pub(super) fn help(call: &mut Call<'_>, family: &str, names: &[&str]) {
    let mut reply = call.reply();
    reply.array(names.len() + 1);
    reply.simple(&format!("{family} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    names.iter().for_each(|name| reply.simple(&name.to_ascii_uppercase()));
}
