//! Which local client has which tunnel: one client a tunnel.

use alloc::collections::BTreeMap;

use super::types::TunnelId;
use crate::machine::LinkId;

/// Tunnels a client may have. (Our limit.)
const TUNNELS_MAX: usize = 1024;

const REFUSED: i32 = -1;

/// The tunnels of all clients.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Tunnels {
    ends: BTreeMap<TunnelId, LinkId>,
}

impl Tunnels {
    /// TUNNEL_REGISTER: the status. Refused if anybody has this tunnel already.
    pub(super) fn register(&mut self, link: LinkId, id: TunnelId) -> i32 {
        let held = self.ends.values().filter(|&&held| held == link).count();
        if self.ends.contains_key(&id) || held >= TUNNELS_MAX {
            return REFUSED;
        }
        self.ends.insert(id, link);
        0
    }

    /// TUNNEL_DEREGISTER: the status. Refused to all but the client that has it.
    pub(super) fn deregister(&mut self, link: LinkId, id: TunnelId) -> i32 {
        if self.end(id) != Some(link) {
            return REFUSED;
        }
        self.ends.remove(&id);
        0
    }

    /// The client that has this tunnel.
    pub(super) fn end(&self, id: TunnelId) -> Option<LinkId> {
        self.ends.get(&id).copied()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// A client is gone, and its tunnels with it.
    pub(super) fn gone(&mut self, link: LinkId) {
        self.ends.retain(|_, held| *held != link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: LinkId = LinkId(1);
    const OTHER: LinkId = LinkId(3);

    #[test]
    fn a_tunnel_has_one_end_here_and_only_that_can_close_it() {
        let mut tunnels = Tunnels::default();
        let (id, other) = (TunnelId(7), TunnelId(u64::MAX));
        assert_eq!(tunnels.deregister(ONE, id), -1);
        assert_eq!([tunnels.register(ONE, id), tunnels.register(ONE, other)], [0, 0]);
        assert_eq!([tunnels.register(ONE, id), tunnels.register(OTHER, id)], [-1, -1]);
        assert_eq!((tunnels.end(id), tunnels.deregister(OTHER, id)), (Some(ONE), -1));
        assert_eq!((tunnels.deregister(ONE, id), tunnels.end(id)), (0, None));
        assert_eq!(tunnels.register(OTHER, id), 0);
        tunnels.gone(ONE);
        assert_eq!((tunnels.end(id), tunnels.end(other), tunnels.count()), (Some(OTHER), None, 1));
    }

    #[test]
    fn a_client_has_only_so_many_tunnels() {
        let mut tunnels = Tunnels::default();
        assert!((0..TUNNELS_MAX as u64).all(|id| tunnels.register(ONE, TunnelId(id)) == 0));
        assert_eq!(tunnels.register(ONE, TunnelId(u64::MAX)), -1);
        assert_eq!(tunnels.register(OTHER, TunnelId(u64::MAX)), 0);
    }
}
