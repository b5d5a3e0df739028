//! Every command there is: its name, how many words it takes, where its keys stand, who does it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::super::machine::Gossip;
use super::super::resp::{is, number};
use super::{
    Call, cluster, hello, info, list, pubsub, registers, replication, settings, shown, transactions,
};

bitflags::bitflags! {
    /// What a command is like.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Flags: u16 {
        const WRITE = 1;
        const READONLY = 2;
        const FAST = 4;
        const ADMIN = 8;
        const PUBSUB = 16;
        /// Waits while a manual failover holds writes, as those do.
        const MAY_REPLICATE = 32;
        /// Not within a transaction.
        const NO_MULTI = 64;
        /// Within a transaction it is done at once.
        const ENDS_MULTI = 128;
        /// A subscriber may say it.
        const WHILE_LISTENING = 256;
        /// As if ASKING had been said before.
        const ASKING = 512;
    }
}

impl Flags {
    pub(super) const fn writes(self) -> bool {
        self.intersects(Self::WRITE.union(Self::MAY_REPLICATE))
    }
}

/// Where a command's keys stand among its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// The first, the last (negative: from the end, -1 the last word), and how far apart.
    At(i32, i32, i32),
    /// The same, but they are a shard's channels.
    Channels(i32, i32),
    /// A number at this place says how many follow.
    Counted(usize),
    /// Behind this word, the first half of what is left.
    Behind(&'static str),
    /// MIGRATE's: the fourth word, or if that is empty all behind the option `KEYS`.
    Migrate,
}

/// A command, or one of a command's commands: `cluster|meet`.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Words, the name included; negative: at least so many.
    pub(super) arity: i32,
    pub(super) flags: Flags,
    pub(super) keys: Keys,
    pub(super) run: fn(&mut Gossip, &mut Call<'_>),
    /// What it is the family of.
    pub(super) within: &'static [Self],
}

impl Row {
    pub(super) fn is_exec(&self) -> bool {
        self.name == "exec"
    }

    /// The name within its family.
    pub(super) fn short(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, short)| short)
    }

    fn takes(&self, words: usize) -> bool {
        let words = i32::try_from(words).unwrap_or(i32::MAX);
        if self.arity < 0 { words >= -self.arity } else { words == self.arity }
    }

    pub(super) fn keys<'a>(&self, words: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
        self.keys.of(words)
    }
}

impl Keys {
    /// The keys of a request that has words enough.
    pub(super) fn of(self, words: &[Vec<u8>]) -> Vec<&[u8]> {
        let count = words.len() as i32;
        let (first, last, step) = match self {
            Self::None => return Vec::new(),
            Self::At(first, last, step) => (first, last, step),
            Self::Channels(first, last) => (first, last, 1),
            Self::Counted(at) => {
                let said = words.get(at).and_then(|word| number(word)).unwrap_or_default();
                let said = i32::try_from(said).unwrap_or_default().clamp(0, count);
                (at as i32 + 1, at as i32 + said, 1)
            }
            Self::Migrate => migrate_keys(words),
            Self::Behind(word) => {
                let behind = words.iter().position(|it| is(it, word)).map_or(words.len(), |at| at + 1);
                let half = (words.len() - behind) / 2;
                (behind as i32, (behind + half) as i32 - 1, 1)
            }
        };
        let last = if last < 0 { count + last } else { last.min(count - 1) };
        if first > last {
            return Vec::new();
        }
        words[first as usize..=last as usize].iter().step_by(step as usize).map(Vec::as_slice).collect()
    }
}

/// MIGRATE's keys; none if it names them both ways, which it is told of when it runs.
fn migrate_keys(words: &[Vec<u8>]) -> (i32, i32, i32) {
    let mut at = 6;
    while let Some(word) = words.get(at) {
        if is(word, "keys") {
            let named = words.get(3).is_some_and(|key| !key.is_empty());
            return if named { (1, 0, 1) } else { (at as i32 + 1, -1, 1) };
        }
        // What a password is, is no option.
        at += if is(word, "auth2") { 3 } else { 1 + usize::from(is(word, "auth")) };
    }
    (3, 3, 1)
}

/// Why a request is no command.
pub(super) enum NoCommand {
    Unknown(String),
    UnknownWithin(&'static str, String),
    WordCount(&'static str),
}

impl fmt::Display for NoCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => f.write_str(text),
            Self::UnknownWithin(family, what) => {
                write!(f, "unknown subcommand '{what}'. Try {} HELP.", family.to_ascii_uppercase())
            }
            Self::WordCount(name) => write!(f, "wrong number of arguments for '{name}' command"),
        }
    }
}

/// The command that is asked for.
pub(super) fn find(words: &[Vec<u8>]) -> Result<&'static Row, NoCommand> {
    let name = words.first().map_or(&[][..], Vec::as_slice);
    let Some(row) = TABLE.iter().find(|row| is(name, row.name)) else {
        return Err(NoCommand::Unknown(unknown(words)));
    };
    let row = match words.get(1) {
        Some(word) if !row.within.is_empty() => {
            let Some(row) = row.within.iter().find(|row| is(word, row.short())) else {
                return Err(NoCommand::UnknownWithin(row.name, shown(word).into_owned()));
            };
            row
        }
        _ => row,
    };
    if row.takes(words.len()) { Ok(row) } else { Err(NoCommand::WordCount(row.name)) }
}

/// As Redis tells it, with the first 128 bytes or so of the arguments.
fn unknown(words: &[Vec<u8>]) -> String {
    let name = words.first().map_or(&[][..], Vec::as_slice);
    let mut text = alloc::format!("unknown command '{}', with args beginning with: ", shown(name));
    let mut told = 0;
    for word in words.iter().skip(1) {
        if told >= 128 {
            break;
        }
        let word = &word[..word.len().min(128 - told)];
        told += word.len() + 3;
        text.push_str(&alloc::format!("'{}' ", shown(word)));
    }
    text
}

const fn row(name: &'static str, arity: i32, flags: Flags, run: fn(&mut Gossip, &mut Call<'_>)) -> Row {
    Row { name, arity, flags, keys: Keys::None, run, within: &[] }
}

/// A command of a family.
pub(super) const fn sub(name: &'static str, arity: i32, run: fn(&mut Gossip, &mut Call<'_>)) -> Row {
    row(name, arity, N, run)
}

const fn keyed(
    name: &'static str,
    arity: i32,
    flags: Flags,
    keys: Keys,
    run: fn(&mut Gossip, &mut Call<'_>),
) -> Row {
    Row { name, arity, flags, keys, run, within: &[] }
}

/// A family; only `command` is also a command by itself.
const fn family(name: &'static str, arity: i32, within: &'static [Row]) -> Row {
    Row { name, arity, flags: N, keys: Keys::None, run: list::command, within }
}

/// One we only know the keys of.
const fn far(name: &'static str, arity: i32, flags: Flags, keys: Keys) -> Row {
    keyed(name, arity, flags, keys, registers::unoffered)
}

const N: Flags = Flags::empty();
const F: Flags = Flags::FAST;
const R: Flags = Flags::READONLY;
const W: Flags = Flags::WRITE;
const A: Flags = Flags::ADMIN;
const MAY: Flags = Flags::MAY_REPLICATE;
const ENDS: Flags = Flags::ENDS_MULTI.union(Flags::FAST);
const LISTEN: Flags = Flags::PUBSUB.union(Flags::WHILE_LISTENING);
const ONE: Keys = Keys::At(1, 1, 1);
const TWO: Keys = Keys::At(1, 2, 1);
const ALL: Keys = Keys::At(1, -1, 1);
const BUT_LAST: Keys = Keys::At(1, -2, 1);

/// Redis 7.0's commands as far as a client may ask for them here, with its arities and keys.
pub(super) static TABLE: &[Row] = &[
    row("ping", -1, F.union(Flags::WHILE_LISTENING), hello::ping),
    row("echo", 2, F, hello::echo),
    row("hello", -1, F, hello::hello),
    row("auth", -2, F, hello::auth),
    row("select", 2, F, hello::select),
    row("quit", -1, ENDS.union(Flags::WHILE_LISTENING), hello::quit),
    row("reset", 1, ENDS.union(Flags::WHILE_LISTENING), hello::reset),
    row("readonly", 1, F, hello::readonly),
    row("readwrite", 1, F, hello::readwrite),
    row("asking", 1, F, hello::asking),
    family("client", -2, hello::CLIENT),
    family("command", -1, list::COMMAND),
    family("config", -2, settings::CONFIG),
    family("cluster", -2, cluster::CLUSTER),
    family("function", -2, replication::FUNCTION),
    family("pubsub", -2, pubsub::PUBSUB),
    row("info", -1, N, info::info),
    row("dbsize", 1, R.union(F), info::dbsize),
    row("time", 1, F, info::time),
    row("role", 1, F, info::role),
    row("lastsave", 1, F, info::lastsave),
    row("wait", 3, N, replication::wait),
    row("replconf", -1, A, replication::replconf),
    row("psync", -3, A.union(Flags::NO_MULTI), replication::psync),
    row("sync", 1, A.union(Flags::NO_MULTI), replication::psync),
    row("replicaof", 3, A, replication::replicaof),
    row("slaveof", 3, A, replication::replicaof),
    row("failover", -1, A, replication::failover),
    row("multi", 1, ENDS, transactions::multi),
    row("exec", 1, ENDS, transactions::exec),
    row("discard", 1, ENDS, transactions::discard),
    keyed("watch", -2, ENDS, ALL, transactions::watch),
    row("unwatch", 1, F, transactions::unwatch),
    row("subscribe", -2, LISTEN, pubsub::subscribe),
    row("unsubscribe", -1, LISTEN, pubsub::unsubscribe),
    row("publish", 3, Flags::PUBSUB.union(F).union(MAY), pubsub::publish),
    keyed("ssubscribe", -2, LISTEN, Keys::Channels(1, -1), pubsub::ssubscribe),
    keyed("sunsubscribe", -1, LISTEN, Keys::Channels(1, -1), pubsub::sunsubscribe),
    keyed("spublish", 3, Flags::PUBSUB.union(F).union(MAY), Keys::Channels(1, 1), pubsub::spublish),
    keyed("get", 2, R.union(F), ONE, registers::get),
    keyed("set", -3, W, ONE, registers::set),
    keyed("incr", 2, W.union(F), ONE, registers::incr),
    keyed("incrby", 3, W.union(F), ONE, registers::incr),
    keyed("del", -2, W, ALL, registers::del),
    keyed("unlink", -2, W.union(F), ALL, registers::del),
    keyed("exists", -2, R.union(F), ALL, registers::exists),
    keyed("mget", -2, R.union(F), ALL, registers::mget),
    keyed("mset", -3, W, Keys::At(1, -1, 2), registers::mset),
    keyed("type", 2, R.union(F), ONE, registers::kind),
    keyed("migrate", -6, W, Keys::Migrate, registers::migrate),
    far("append", 3, W.union(F), ONE),
    far("bitcount", -2, R, ONE),
    far("bitfield", -2, W, ONE),
    far("bitfield_ro", -2, R.union(F), ONE),
    far("bitop", -4, W, Keys::At(2, -1, 1)),
    far("bitpos", -3, R, ONE),
    far("blmove", 6, W, TWO),
    far("blmpop", -5, W, Keys::Counted(2)),
    far("blpop", -3, W, BUT_LAST),
    far("brpop", -3, W, BUT_LAST),
    far("brpoplpush", 4, W, TWO),
    far("bzmpop", -5, W, Keys::Counted(2)),
    far("bzpopmax", -3, W.union(F), BUT_LAST),
    far("bzpopmin", -3, W.union(F), BUT_LAST),
    far("copy", -3, W, TWO),
    far("decr", 2, W.union(F), ONE),
    far("decrby", 3, W.union(F), ONE),
    far("dump", 2, R, ONE),
    far("eval", -3, MAY, Keys::Counted(2)),
    far("evalsha", -3, MAY, Keys::Counted(2)),
    far("eval_ro", -3, R, Keys::Counted(2)),
    far("evalsha_ro", -3, R, Keys::Counted(2)),
    far("expire", -3, W.union(F), ONE),
    far("expireat", -3, W.union(F), ONE),
    far("expiretime", 2, R.union(F), ONE),
    far("fcall", -3, MAY, Keys::Counted(2)),
    far("fcall_ro", -3, R, Keys::Counted(2)),
    far("geoadd", -5, W, ONE),
    far("geodist", -4, R, ONE),
    far("geohash", -2, R, ONE),
    far("geopos", -2, R, ONE),
    far("geosearch", -7, R, ONE),
    far("geosearchstore", -8, W, TWO),
    far("getbit", 3, R.union(F), ONE),
    far("getdel", 2, W.union(F), ONE),
    far("getex", -2, W.union(F), ONE),
    far("getrange", 4, R, ONE),
    far("getset", 3, W.union(F), ONE),
    far("hdel", -3, W.union(F), ONE),
    far("hexists", 3, R.union(F), ONE),
    far("hget", 3, R.union(F), ONE),
    far("hgetall", 2, R, ONE),
    far("hincrby", 4, W.union(F), ONE),
    far("hincrbyfloat", 4, W.union(F), ONE),
    far("hkeys", 2, R, ONE),
    far("hlen", 2, R.union(F), ONE),
    far("hmget", -3, R.union(F), ONE),
    far("hmset", -4, W.union(F), ONE),
    far("hrandfield", -2, R, ONE),
    far("hscan", -3, R, ONE),
    far("hset", -4, W.union(F), ONE),
    far("hsetnx", 4, W.union(F), ONE),
    far("hstrlen", 3, R.union(F), ONE),
    far("hvals", 2, R, ONE),
    far("incrbyfloat", 3, W.union(F), ONE),
    far("lcs", -3, R, TWO),
    far("lindex", 3, R, ONE),
    far("linsert", 5, W, ONE),
    far("llen", 2, R.union(F), ONE),
    far("lmove", 5, W, TWO),
    far("lmpop", -4, W, Keys::Counted(1)),
    far("lpop", -2, W.union(F), ONE),
    far("lpos", -3, R, ONE),
    far("lpush", -3, W.union(F), ONE),
    far("lpushx", -3, W.union(F), ONE),
    far("lrange", 4, R, ONE),
    far("lrem", 4, W, ONE),
    far("lset", 4, W, ONE),
    far("ltrim", 4, W, ONE),
    far("msetnx", -3, W, Keys::At(1, -1, 2)),
    far("persist", 2, W.union(F), ONE),
    far("pexpire", -3, W.union(F), ONE),
    far("pexpireat", -3, W.union(F), ONE),
    far("pexpiretime", 2, R.union(F), ONE),
    far("pfadd", -2, W.union(F), ONE),
    far("pfcount", -2, R, ALL),
    far("pfmerge", -2, W, ALL),
    far("psetex", 4, W, ONE),
    far("pttl", 2, R.union(F), ONE),
    far("rename", 3, W, TWO),
    far("renamenx", 3, W.union(F), TWO),
    far("restore", -4, W, ONE),
    far("restore-asking", -4, W.union(Flags::ASKING), ONE),
    far("rpop", -2, W.union(F), ONE),
    far("rpoplpush", 3, W, TWO),
    far("rpush", -3, W.union(F), ONE),
    far("rpushx", -3, W.union(F), ONE),
    far("sadd", -3, W.union(F), ONE),
    far("scard", 2, R.union(F), ONE),
    far("sdiff", -2, R, ALL),
    far("sdiffstore", -3, W, ALL),
    far("setbit", 4, W, ONE),
    far("setex", 4, W, ONE),
    far("setnx", 3, W.union(F), ONE),
    far("setrange", 4, W, ONE),
    far("sinter", -2, R, ALL),
    far("sintercard", -3, R, Keys::Counted(1)),
    far("sinterstore", -3, W, ALL),
    far("sismember", 3, R.union(F), ONE),
    far("smembers", 2, R, ONE),
    far("smismember", -3, R.union(F), ONE),
    far("smove", 4, W.union(F), TWO),
    far("sort", -2, W, ONE),
    far("sort_ro", -2, R, ONE),
    far("spop", -2, W.union(F), ONE),
    far("srandmember", -2, R, ONE),
    far("srem", -3, W.union(F), ONE),
    far("sscan", -3, R, ONE),
    far("strlen", 2, R.union(F), ONE),
    far("sunion", -2, R, ALL),
    far("sunionstore", -3, W, ALL),
    far("touch", -2, R.union(F), ALL),
    far("ttl", 2, R.union(F), ONE),
    far("xack", -4, W.union(F), ONE),
    far("xadd", -5, W.union(F), ONE),
    far("xdel", -3, W.union(F), ONE),
    far("xlen", 2, R.union(F), ONE),
    far("xpending", -3, R, ONE),
    far("xrange", -4, R, ONE),
    far("xread", -4, R, Keys::Behind("streams")),
    far("xreadgroup", -7, W, Keys::Behind("streams")),
    far("xrevrange", -4, R, ONE),
    far("xtrim", -4, W, ONE),
    far("zadd", -4, W.union(F), ONE),
    far("zcard", 2, R.union(F), ONE),
    far("zcount", 4, R.union(F), ONE),
    far("zdiff", -3, R, Keys::Counted(1)),
    far("zincrby", 4, W.union(F), ONE),
    far("zinter", -3, R, Keys::Counted(1)),
    far("zmscore", -3, R.union(F), ONE),
    far("zpopmax", -2, W.union(F), ONE),
    far("zpopmin", -2, W.union(F), ONE),
    far("zrandmember", -2, R, ONE),
    far("zrange", -4, R, ONE),
    far("zrangebyscore", -4, R, ONE),
    far("zrangestore", -5, W, TWO),
    far("zrank", 3, R.union(F), ONE),
    far("zrem", -3, W.union(F), ONE),
    far("zrevrange", -4, R, ONE),
    far("zrevrank", 3, R.union(F), ONE),
    far("zscan", -3, R, ONE),
    far("zscore", 3, R.union(F), ONE),
    far("zunion", -3, R, Keys::Counted(1)),
];
