//! Questions: every operator gets an answer, in time, and at once if the asked node dies.

use std::collections::BTreeMap;
use std::rc::Rc;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::Pnn;
use standin_core::ctdb::wire::{Body, Pdu, RequestData};
use standin_core::time::Duration;

use super::super::build::Cluster;
use super::{DRIFT_MAX_PERCENT, SLACK};
use crate::check::{Checker, Violation};
use crate::world::moment::{HostId, Moment};
use crate::world::puppet::{PuppetId, Standing};
use crate::world::{News, World};

/// The checker.
#[derive(Debug)]
pub(super) struct Asks {
    cluster: Rc<Cluster>,
    seen: u32,
    open: BTreeMap<PuppetId, Ask>,
    looked: u64,
    waited: Vec<u64>,
}

/// A question nobody has answered yet.
#[derive(Clone, Copy, Debug)]
struct Ask {
    host: HostId,
    to: Pnn,
    /// By when it must be answered; pushed on while its daemon stands still.
    until: Moment,
}

impl Asks {
    pub(super) const fn new(cluster: Rc<Cluster>) -> Self {
        Self { cluster, seen: 0, open: BTreeMap::new(), looked: 0, waited: Vec::new() }
    }

    fn patience(&self) -> Duration {
        // A clock that runs slow stretches it.
        let limit = self.cluster.tunables().control_timeout();
        limit + Duration(limit.0 * DRIFT_MAX_PERCENT / 100) + SLACK
    }

    /// How long event scripts may keep an answer back that is not given before addresses are gone,
    /// or here.
    fn scripts(&self, asked: &Body<'_>) -> Duration {
        let Body::ControlRequest(request) = asked else { return Duration::ZERO };
        let limit = self.cluster.tunables().event_script_timeout();
        match request.decode_data() {
            Ok(RequestData::StopNode | RequestData::SetBanState(_) | RequestData::Shutdown) => {
                limit.times(self.cluster.public().len() as u64 + 2)
            }
            _ => Duration::ZERO,
        }
    }

    fn watch(&mut self, world: &World<Ctdb>) {
        while self.seen < world.puppet_count() {
            let id = PuppetId(self.seen);
            self.seen += 1;
            let puppet = world.puppet(id);
            let operator = world.members().any(|member| member == puppet.host);
            // Messages are answered by nobody; of several packets the first is waited for.
            let asked = packets(&puppet.says).next().filter(|first| is_question(&first.body));
            if let (true, Some(asked)) = (operator, asked) {
                let until = world.now() + self.patience() + self.scripts(&asked.body);
                self.open.insert(id, Ask { host: puppet.host, to: asked.header.destination, until });
            }
        }
    }

    fn look_at(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        let now = world.now();
        let patience = self.patience();
        let open = self.open.keys().map(|id| world.puppet(*id));
        for puppet in open.filter(|puppet| !puppet.heard.is_empty()) {
            if !answers(&puppet.says, &puppet.heard) {
                let what =
                    format!("what {}'s operator asked at {} got no answer to it", puppet.host, puppet.born);
                return Err(Violation::safety("answers-are-answers", what));
            }
        }
        let waited = &mut self.waited;
        self.open.retain(|id, _| {
            let puppet = world.puppet(*id);
            let answered = !puppet.heard.is_empty();
            if answered {
                waited.push(now.since(puppet.born).0);
            }
            !answered && !matches!(puppet.standing, Standing::Closed(_))
        });
        for (id, ask) in &mut self.open {
            self.looked += 1;
            if !world.host(ask.host).brisk() {
                ask.until = ask.until.max(now + patience);
            }
            if ask.until <= now {
                let puppet = world.puppet(*id);
                let what = format!(
                    "{}'s operator asked {} at {} and still waits ({:?})",
                    ask.host, ask.to, puppet.born, puppet.standing
                );
                return Err(Violation::liveness("operators-are-answered", what));
            }
        }
        Ok(())
    }
}

/// The packets in bytes, up to the first that is none or not whole.
pub(super) fn packets(bytes: &[u8]) -> impl Iterator<Item = Pdu<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = u32::from_le_bytes(*rest.first_chunk::<4>()?) as usize;
        let frame = rest.get(..length)?;
        rest = &rest[length..];
        Pdu::decode(frame).ok()
    })
}

const fn is_question(body: &Body<'_>) -> bool {
    matches!(body, Body::ControlRequest(_))
}

/// Whether bytes are replies, each under the number of one of the questions.
fn answers(asked: &[u8], heard: &[u8]) -> bool {
    let questions = |number| packets(asked).any(|one| is_question(&one.body) && one.header.reqid == number);
    let is_answer = |one: Pdu<'_>| matches!(one.body, Body::ControlReply(_)) && questions(one.header.reqid);
    packets(heard).next().is_some() && packets(heard).all(is_answer)
}

impl Checker<Ctdb> for Asks {
    fn name(&self) -> &'static str {
        "asks"
    }

    fn news(&mut self, world: &World<Ctdb>, news: &News<Ctdb>) -> Result<(), Violation> {
        self.watch(world);
        if let News::Notice(host, Notice::NodeDead { pnn, .. }) = news {
            let soon = world.now() + SLACK;
            let concerned = self.open.values_mut().filter(|ask| ask.host == *host && ask.to == *pnn);
            concerned.for_each(|ask| ask.until = ask.until.min(soon));
        }
        self.look_at(world)
    }

    fn due(&self) -> Option<Moment> {
        self.open.values().map(|ask| ask.until).min()
    }

    fn look(&mut self, world: &World<Ctdb>) -> Result<(), Violation> {
        self.look_at(world)
    }

    fn looked(&self) -> u64 {
        self.looked
    }

    fn figures(&self) -> Vec<(&'static str, Vec<u64>)> {
        vec![("operator's question to answer", self.waited.clone())]
    }
}
