//! What crosses the links between nodes: written down, and answered in a node's stead where a
//! rule says so.

use standin_core::ctdb::notice::Notice;
use standin_core::ctdb::types::{ControlFlags, Generation, Pnn, RequestId};
use standin_core::ctdb::wire::{
    Body, ControlRequest, Header, MessageData, Pdu, ReplyData, RequestData, encode_reply,
};
use standin_core::machine::PortId;

use super::{Due, End, LATENCY_US, Room};

/// Something one node said to another.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Grows with everything that happens, of one instant too.
    pub(crate) order: u64,
    pub(crate) at: u64,
    pub(crate) from: Pnn,
    pub(crate) to: Pnn,
    pub(crate) what: What,
    /// When the answer arrived, as an order, and its status.
    pub(crate) answered: Option<(u64, i32)>,
    reqid: RequestId,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Control(RequestData, ControlFlags),
    Message(MessageData),
}

impl Said {
    /// The control, if this is one.
    pub(crate) fn control(&self) -> Option<&RequestData> {
        if let What::Control(data, _) = &self.what { Some(data) } else { None }
    }

    pub(crate) fn message(&self) -> Option<&MessageData> {
        if let What::Message(data) = &self.what { Some(data) } else { None }
    }
}

/// What a leader does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum During {
    Recovery,
    Takeover,
}

/// What happens to a control instead of its delivery.
#[derive(Clone, Debug)]
pub(crate) enum Instead {
    /// This answer comes.
    Status(i32),
    /// This one.
    Data(ReplyData),
    /// None comes.
    Silence,
}

/// Answers controls in a node's stead.
#[derive(Clone)]
pub(crate) struct Rule {
    pub(crate) to: Pnn,
    /// Only while the leader does this; None: always.
    pub(crate) during: Option<During>,
    pub(crate) which: fn(&ControlRequest<'_>) -> bool,
    /// So many of them pass, anew in each recovery or run.
    pub(crate) pass: u32,
    /// And then so many are answered.
    pub(crate) most: u32,
    pub(crate) instead: Instead,
    /// How many there were in this recovery or run.
    pub(crate) seen: u32,
}

impl Rule {
    /// A node refuses some controls.
    pub(crate) fn refuse(to: u32, during: Option<During>, which: fn(&ControlRequest<'_>) -> bool) -> Self {
        Self { to: Pnn(to), during, which, pass: 0, most: u32::MAX, instead: Instead::Status(-1), seen: 0 }
    }
}

impl Room {
    /// From now on a rule is in force.
    pub(crate) fn rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// All rules end.
    pub(crate) fn no_rules(&mut self) {
        self.rules.clear();
    }

    pub(super) fn note_stage(&mut self, notice: &Notice) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else begins or ends one")]
        let now = match notice {
            Notice::RecoveryStarted(_) => Some(During::Recovery),
            Notice::TakeoverStarted => Some(During::Takeover),
            Notice::RecoveryFinished { .. }
            | Notice::RecoveryFailed { .. }
            | Notice::TakeoverFinished { .. }
            | Notice::TakeoverFailed { .. } => None,
            _ => return,
        };
        self.during = now;
        self.rules.iter_mut().for_each(|rule| rule.seen = 0);
    }

    /// An end sends one packet.
    pub(super) fn send(&mut self, from: End, bytes: Vec<u8>) {
        let Some(pipe) = self.pipes.get(&from).copied() else { return };
        if pipe.port == PortId(0) && self.goes_astray(from.0, pipe.other.0, &bytes) {
            return;
        }
        if pipe.port == PortId(1) && !pipe.dialled {
            return self.tell_client(pipe.other, &bytes);
        }
        self.post(LATENCY_US, pipe.other.0, Due::Bytes(pipe.other.1, bytes));
    }

    /// Writes a packet between nodes down; true if a rule answers it.
    fn goes_astray(&mut self, from: usize, to: usize, bytes: &[u8]) -> bool {
        let pdu = Pdu::decode(bytes).expect("what a node sends is a packet");
        self.order += 1;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is noise or an answer")]
        let what = match &pdu.body {
            Body::ControlRequest(asked) => asked.decode_data().map(|data| What::Control(data, asked.flags)),
            Body::Message(message) => message.decode_data().map(What::Message),
            _ => return false,
        };
        if self.nonsense && what.is_err() {
            return false;
        }
        let what = what.expect("what a node says makes sense");
        self.said.push(Said {
            order: self.order,
            at: self.now,
            from: Pnn(from as u32),
            to: Pnn(to as u32),
            what,
            answered: None,
            reqid: pdu.header.reqid,
        });
        let Body::ControlRequest(asked) = &pdu.body else { return false };
        let during = self.during;
        let applies = |rule: &Rule| {
            rule.to == Pnn(to as u32)
                && rule.during.is_none_or(|only| Some(only) == during)
                && (rule.which)(asked)
        };
        let Some(rule) = self.rules.iter_mut().find(|rule| applies(rule)) else { return false };
        rule.seen += 1;
        if rule.seen <= rule.pass || rule.seen - rule.pass > rule.most {
            return false;
        }
        let instead = rule.instead.clone();
        match instead {
            Instead::Status(status) => self.answer_for(to, from, pdu.header.reqid, status, &ReplyData::Empty),
            Instead::Data(data) => self.answer_for(to, from, pdu.header.reqid, 0, &data),
            Instead::Silence => {}
        }
        true
    }

    /// Answers a control in a node's stead.
    fn answer_for(&mut self, node: usize, asker: usize, reqid: RequestId, status: i32, data: &ReplyData) {
        let header = Header {
            generation: Generation(0),
            destination: Pnn(asker as u32),
            source: Pnn(node as u32),
            reqid,
        };
        let mut bytes = Vec::new();
        encode_reply(&header, status, data, "", &mut bytes);
        if let Some(end) = self.bus(node, asker) {
            let other = self.pipes[&end].other;
            self.post(LATENCY_US * 2, other.0, Due::Bytes(other.1, bytes));
        }
    }

    /// The end on which one node writes to another.
    fn bus(&self, from: usize, to: usize) -> Option<End> {
        let writes = |pipe: &super::Pipe| pipe.dialled && pipe.port == PortId(0) && pipe.other.0 == to;
        self.pipes.iter().find(|(end, pipe)| end.0 == from && writes(pipe)).map(|(&end, _)| end)
    }

    /// A node that the test plays dials another.
    pub(crate) fn dial_as(&mut self, scripted: u32, to: u32) {
        let link = standin_core::machine::LinkId(u64::from(to) * 2);
        self.connect((scripted as usize, link), to as usize, PortId(0));
    }

    /// A packet on the link from one node to another, as if that one had sent it.
    pub(crate) fn send_as(&mut self, scripted: u32, to: u32, bytes: Vec<u8>) {
        let end = self.bus(scripted as usize, to as usize).expect("it has dialled");
        let other = self.pipes[&end].other;
        self.post(LATENCY_US, other.0, Due::Bytes(other.1, bytes));
    }

    /// Writes down when an answer arrived.
    pub(super) fn note_reply(&mut self, to: usize, bytes: &[u8]) {
        let Ok(Pdu { header, body: Body::ControlReply(reply) }) = Pdu::decode(bytes) else { return };
        self.order += 1;
        self.answers.push((to as u32, bytes.to_vec()));
        let asked = |said: &&mut Said| {
            said.from == Pnn(to as u32)
                && said.to == header.source
                && said.reqid == header.reqid
                && said.control().is_some()
        };
        if let Some(said) = self.said.iter_mut().rev().find(asked) {
            said.answered = Some((self.order, reply.status));
        }
    }
}
