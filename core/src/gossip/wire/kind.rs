//! What packets there are.

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Kind {
    /// Asks for a [`Pong`](Self::Pong).
    Ping,
    /// Answers a [`Ping`](Self::Ping) or [`Meet`](Self::Meet), or tells everybody of a change.
    Pong,
    /// A [`Ping`](Self::Ping) of somebody who wants to be known.
    Meet,
    /// A node has failed, a majority agreed.
    Fail,
    /// A message to the channel's subscribers.
    Publish,
    /// A replica asks for votes.
    AuthRequest,
    /// A vote.
    AuthAck,
    /// Somebody claims slots that have a newer owner: here it is.
    Update,
    /// A replica asks its master to hold its clients for a manual failover.
    MfStart,
    /// Something between modules.
    Module,
    /// A message to the channel's subscribers in the shard.
    PublishShard,
}

impl Kind {
    /// All of them, by number on the wire, which is also the order of `CLUSTER INFO`.
    pub const ALL: [Self; 11] = [
        Self::Ping,
        Self::Pong,
        Self::Meet,
        Self::Fail,
        Self::Publish,
        Self::AuthRequest,
        Self::AuthAck,
        Self::Update,
        Self::MfStart,
        Self::Module,
        Self::PublishShard,
    ];

    /// Their words in `CLUSTER INFO`, by number on the wire.
    pub const NAMES: [&'static str; 11] = [
        "ping",
        "pong",
        "meet",
        "fail",
        "publish",
        "auth-req",
        "auth-ack",
        "update",
        "mfstart",
        "module",
        "publishshard",
    ];

    /// The kind with this number, if it is one of Redis 7.0's.
    #[must_use]
    #[inline]
    pub fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number on the wire; an index into [`ALL`](Self::ALL) and [`NAMES`](Self::NAMES).
    #[must_use]
    #[inline]
    pub const fn to_wire(self) -> u16 {
        self as u16
    }

    /// Its word in `CLUSTER INFO`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether gossip is its body.
    #[must_use]
    #[inline]
    pub const fn gossips(self) -> bool {
        matches!(self, Self::Ping | Self::Pong | Self::Meet)
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places_in_the_lists() {
        for (number, kind) in (0..).zip(Kind::ALL) {
            assert_eq!((Kind::from_wire(number), kind.to_wire()), (Some(kind), number));
        }
        assert_eq!(Kind::from_wire(11), None);
        assert_eq!(Kind::AuthRequest.name(), "auth-req");
    }
}
