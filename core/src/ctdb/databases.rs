use super::controls::Answer;
use super::types::SrvId;
use super::wire::{DbMap, ReplyData, RequestData};
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Databases;
impl Databases {
    pub(super) fn answer(&mut self, request: &RequestData) -> Option<Answer> {
        match request {
            RequestData::GetDbMap => {
                Some(Answer::data(ReplyData::DbMap(DbMap { databases: alloc::vec::Vec::new() })))
            }
            _ => None,
        }
    }
    pub(super) fn records(&mut self, _: SrvId, _: u32) {}
}
