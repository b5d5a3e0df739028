//! A new nodes file while we run: a difference, taken over or refused as a whole.
//!
//! ctdbd takes whatever file there is and leaves the questions to its tool. The questions the
//! tool asks are asked here when the order comes from beside us; a control comes from a tool
//! that has asked them. Whoever asks, our own line stays ours.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::cx::Cx;
use super::files::nodes::{Diff, Nodes, Refusal};
use super::notice::{BadFile, FileFault, Notice};
use super::plant;
use super::state::State;
use super::types::Pnn;
use crate::host::FileError;

/// What is to be done about links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// Numbers whose node is no more, or another one: close their links.
    pub(super) drop: Vec<Pnn>,
    /// Numbers to dial.
    pub(super) dial: Vec<Pnn>,
}

/// Why nothing was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The file cannot be read, or means nothing.
    Unreadable,
    /// The tool's questions were answered badly.
    Refused,
}

/// Takes a nodes file over, if it may be. `asked_beside` is true where nobody has asked the
/// tool's questions yet.
pub(super) fn take_over(
    cx: &mut Cx<'_>,
    state: &mut State,
    read: &Result<Vec<u8>, FileError>,
    asked_beside: bool,
) -> Result<Applied, Refused> {
    let file = match read.as_deref().map(Nodes::parse) {
        Ok(Ok(file)) => plant::read(cx.config.plants, file),
        Ok(Err(problems)) => {
            return Err(unreadable(cx, FileFault::Wrong(problems)));
        }
        Err(error) => {
            return Err(unreadable(cx, FileFault::Unreadable(*error)));
        }
    };
    // A daemon that is still starting reads the file anyway.
    let Some(diff) = state.file.as_ref().map(|held| held.diff(&file)) else { return Err(Refused::Refused) };
    let connected = |pnn: u32| state.node(Pnn(pnn)).is_some_and(super::state::Node::is_connected);
    let ours = |refusal: &Refusal| asked_beside || state.is_me(Pnn(refusal.pnn()));
    let refusals: Vec<_> = diff.refusals(connected).into_iter().filter(ours).collect();
    if !refusals.is_empty() {
        refusals.into_iter().for_each(|refusal| cx.notice(Notice::ReloadRefused(refusal)));
        return Err(Refused::Refused);
    }
    cx.notice(Notice::NodesReloaded {
        count: file.count(),
        added: diff.added.len() as u32,
        deleted: diff.deleted.len() as u32,
        undeleted: diff.undeleted.len() as u32,
        changed: diff.changed.len() as u32,
        removed: diff.removed.len() as u32,
    });
    Ok(apply(state, file, diff))
}

fn unreadable(cx: &mut Cx<'_>, fault: FileFault) -> Refused {
    let name = cx.config.nodes_file.clone();
    cx.notice(Notice::ReloadFailed(Box::new(BadFile { name, fault })));
    Refused::Unreadable
}

fn apply(state: &mut State, file: Nodes, diff: Diff) -> Applied {
    let Diff { kept: _, added, deleted, undeleted, changed, removed } = diff;
    let mut applied = Applied::default();
    for pnn in removed.into_iter().map(Pnn) {
        applied.drop.push(pnn);
    }
    for pnn in deleted.into_iter().map(Pnn) {
        state.replace(pnn, None);
        applied.drop.push(pnn);
    }
    let changed = changed.into_iter().map(|changed| changed.pnn);
    let fresh: Vec<_> = added.into_iter().chain(undeleted).chain(changed).collect();
    for pnn in fresh.into_iter().map(Pnn) {
        state.replace(pnn, file.address(pnn.0));
        applied.drop.push(pnn);
        applied.dial.push(pnn);
    }
    state.nodes.truncate(file.count() as usize);
    state.file = Some(file);
    applied
}
