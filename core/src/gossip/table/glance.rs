//! What is asked of every node a packet tells of, apart from the rest of it.
//!
//! A packet of a large cluster tells of a hundred nodes, and nearly always nothing new: all that it
//! takes to see that lies here, sixteen bytes a node, side by side.

use core::ops::{Deref, DerefMut};

use super::node::{Node, When};
use crate::gossip::types::NodeFlags;

bitflags::bitflags! {
    /// What is true of a node.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub(in super::super) struct Marks: u8 {
        /// It is in the table: nobody is in the place of one that left.
        const HERE = 1;
        /// We have a link to it, or are dialling.
        const LINKED = 2;
        /// A ping of ours waits for its answer.
        const PINGED = 4;
        /// Some master cannot reach it.
        const REPORTED = 8;
    }
}

/// What is seen of a node at a glance.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in super::super) struct Glance {
    /// When it last answered, as far as we or somebody we trust knows. Said nowhere else.
    pub(super) pong_received: When,
    /// A part of its name's hash that the index does not have.
    pub(super) tag: u32,
    /// As in the node.
    pub(super) flags: NodeFlags,
    pub(super) marks: Marks,
    /// The tick has it on its agenda. Said nowhere else.
    pub(super) awaited: bool,
}

const _: () = assert!(size_of::<Glance>() == 16);

impl Glance {
    /// Of nobody.
    pub(in super::super) const NOBODY: Self = Self::new(0);

    pub(super) const fn new(tag: u32) -> Self {
        Self {
            pong_received: When::NEVER,
            tag,
            flags: NodeFlags::empty(),
            marks: Marks::empty(),
            awaited: false,
        }
    }

    /// Follows the node.
    pub(super) fn follow(&mut self, node: &Node) {
        self.flags = node.flags;
        let mut marks = Marks::HERE;
        marks.set(Marks::LINKED, node.has_link());
        marks.set(Marks::PINGED, !node.ping_sent.is_never());
        marks.set(Marks::REPORTED, node.is_reported());
        self.marks = marks;
    }

    #[inline]
    pub(in super::super) const fn pong_received(&self) -> When {
        self.pong_received
    }

    #[inline]
    pub(in super::super) const fn flags(&self) -> NodeFlags {
        self.flags
    }

    #[inline]
    pub(in super::super) const fn marks(&self) -> Marks {
        self.marks
    }
}

/// A node that is being changed; what is seen of it at a glance follows.
pub(in super::super) struct NodeMut<'t> {
    pub(super) node: &'t mut Node,
    pub(super) glance: &'t mut Glance,
}

impl Deref for NodeMut<'_> {
    type Target = Node;

    #[inline]
    fn deref(&self) -> &Node {
        self.node
    }
}

impl DerefMut for NodeMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Node {
        self.node
    }
}

impl Drop for NodeMut<'_> {
    #[inline]
    fn drop(&mut self) {
        self.glance.follow(self.node);
    }
}
