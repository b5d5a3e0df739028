//! The guard, told and kept alive: what may be here it knows, and when it dies another takes over.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use standin_core::ctdb::Ctdb;
use standin_core::ctdb::notice::Notice;
use standin_core::host::Placed;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep};

use crate::guard::Guard;
use crate::net::any_is_here;

/// Guards are started no faster than this, whatever becomes of them.
const AGAIN: Duration = Duration::from_secs(10);

/// A guard, and who looks after it.
#[derive(Debug)]
pub(super) struct Guarding {
    post: Rc<RefCell<Post>>,
    watch: AbortHandle,
    moving: Moving,
}

impl Guarding {
    /// Looks after this one. To be called inside a `LocalSet`.
    pub(super) fn new(guard: Guard) -> Self {
        let post = Rc::new(RefCell::new(Post { guard: Some(guard), held: Vec::new(), renewed: None }));
        let watch = spawn_local(watch(Rc::downgrade(&post))).abort_handle();
        Self { post, watch, moving: Moving::default() }
    }

    pub(super) fn noticed(&mut self, notice: &Notice) {
        self.moving.noticed(notice);
    }

    /// Tells the guard what is held: that, and where an address may still be that is moving.
    pub(super) fn hold(&mut self, machine: &Ctdb, held: &[Placed]) {
        let mut post = self.post.borrow_mut();
        post.held = held.to_vec();
        post.held.extend(self.moving.left(machine, held));
        let Post { guard, held, .. } = &mut *post;
        // Without one there will be another, which is told then.
        let Some(Err(error)) = guard.as_mut().map(|guard| guard.hold(held)) else { return };
        tracing::warn!(%error, "the guard does not listen: here is another");
        post.renew();
    }

    /// The daemon ends. The guard is dismissed, unless there is something to be taken off yet.
    pub(super) fn end(self) {
        self.watch.abort();
        let mut post = self.post.borrow_mut();
        let Some(guard) = post.guard.take() else { return };
        // What the kernel does not say is looked at by the guard.
        if any_is_here(guard.known()).unwrap_or(true) {
            tracing::warn!("public addresses are still here: the guard takes them off");
            guard.dispatch();
        } else if let Err(error) = guard.farewell() {
            tracing::warn!(%error, "the guard did not hear that we end");
        }
    }
}

#[derive(Debug)]
struct Post {
    guard: Option<Guard>,
    held: Vec<Placed>,
    /// When somebody last had to be replaced.
    renewed: Option<Instant>,
}

impl Post {
    fn renew(&mut self) {
        if let Some(before) = self.guard.take() {
            before.end();
        }
        self.renewed = Some(Instant::now());
        match Guard::spawn().and_then(|mut guard| guard.hold(&self.held).map(|()| guard)) {
            Ok(guard) => self.guard = Some(guard),
            Err(error) => {
                tracing::error!(%error, "there is no guard: a death would leave addresses behind");
            }
        }
    }

    /// Who is on it, by number.
    fn whom(&self) -> Option<u32> {
        self.guard.as_ref().map(Guard::id)
    }

    /// Ends when nobody is on it, or no longer the same.
    fn hung_up(&self) -> impl Future<Output = io::Result<()>> + use<> {
        let socket = self.guard.as_ref().map(Guard::socket);
        async { if let Some(socket) = socket { hung_up(socket?).await } else { Ok(()) } }
    }

    /// How long nobody is started yet.
    fn pause(&self) -> Duration {
        self.renewed.map_or(Duration::ZERO, |renewed| AGAIN.saturating_sub(renewed.elapsed()))
    }
}

/// Replaces whoever dies, as long as there is a post.
async fn watch(post: Weak<RefCell<Post>>) {
    loop {
        let Some(now) = post.upgrade() else { return };
        let (watched, hung_up) = (now.borrow().whom(), now.borrow().hung_up());
        drop(now);
        if let Err(error) = hung_up.await {
            tracing::warn!(%error, "cannot look whether the guard lives");
            sleep(AGAIN).await;
            continue;
        }
        let Some(now) = post.upgrade() else { return };
        if now.borrow().whom() != watched {
            continue;
        }
        let pause = now.borrow().pause();
        if watched.is_some() {
            tracing::warn!(in_seconds = pause.as_secs(), "the guard has died: there will be another");
        }
        drop(now);
        sleep(pause).await;
        let Some(now) = post.upgrade() else { return };
        let mut now = now.borrow_mut();
        // Meanwhile an address may have changed, and the guard with it.
        if now.whom() == watched {
            now.renew();
        }
    }
}

/// Waits until nobody is at the other end. A guard says nothing once it is ready.
async fn hung_up(socket: OwnedFd) -> io::Result<()> {
    // SAFETY: an `OwnedFd` is open until it is dropped, which `AsyncFd` does itself.
    let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? };
    socket.readable().await.map(drop)
}

/// Addresses that left an interface, or not yet, and where that was: none if nobody knows.
#[derive(Debug, Default)]
struct Moving(BTreeMap<IpAddr, BTreeSet<Option<Box<str>>>>);

impl Moving {
    fn noticed(&mut self, notice: &Notice) {
        if let Notice::Updating { address, from, .. } = notice {
            self.0.entry(*address).or_default().insert(from.clone());
        } else if let Notice::Updated { address, .. } | Notice::Released { address, .. } = notice {
            self.0.remove(address);
        }
    }

    /// Where addresses may be besides. After a move that failed they may be at either end, until
    /// one succeeds or they go.
    fn left(&mut self, machine: &Ctdb, held: &[Placed]) -> Vec<Placed> {
        self.0.retain(|address, _| held.iter().any(|placed| placed.address == *address));
        let mut all = Vec::new();
        for placed in held {
            for from in self.0.get(&placed.address).into_iter().flatten() {
                // One that was put on by hand may be anywhere.
                let anywhere = machine.links().map(|(name, _)| name).filter(|_| from.is_none());
                let places = from.as_deref().into_iter().chain(anywhere);
                all.extend(places.map(|name| Placed { interface: name.into(), ..placed.clone() }));
            }
        }
        all
    }
}
