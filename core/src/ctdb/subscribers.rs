use super::types::SrvId;
use super::wire::Notify;
use crate::machine::LinkId;
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Subscribers;
impl Subscribers {
    pub(super) fn register(&mut self, _: LinkId, _: SrvId) -> i32 {
        0
    }
    pub(super) fn deregister(&mut self, _: LinkId, _: SrvId) -> i32 {
        0
    }
    pub(super) fn register_notify(&mut self, _: LinkId, _: Notify) -> i32 {
        0
    }
    pub(super) fn deregister_notify(&mut self, _: LinkId, _: SrvId) -> i32 {
        0
    }
    pub(super) fn wants(&self, _: SrvId) -> impl Iterator<Item = LinkId> + '_ {
        core::iter::empty()
    }
    pub(super) fn gone(&mut self, _: LinkId) -> alloc::vec::Vec<Notify> {
        alloc::vec::Vec::new()
    }
}
