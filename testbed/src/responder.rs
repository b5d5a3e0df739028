//! What answers a client on a node: a socket in the node's namespace, served from here.
//!
//! It answers while the node's kernel takes packets for the address asked, which is what a client
//! of a real service would notice; it needs no process on the node.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::netns;

/// Where nodes are asked.
pub(crate) const PORT: u16 = 7077;

/// How long a stop and a node's power cycle may go unnoticed.
const LOOK: Duration = Duration::from_millis(50);

/// One thread a node, until dropped.
#[derive(Debug)]
pub(crate) struct Responders {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Responders {
    pub(crate) fn start(spaces: Vec<String>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |(node, space): (usize, String)| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || respond(node, &space, &stop))
        };
        let threads = spaces.into_iter().enumerate().map(start).collect();
        Self { stop, threads }
    }
}

impl Drop for Responders {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Answers with one byte, the node's number. A node that was switched off comes back in another
/// namespace of the same name.
fn respond(node: usize, space: &str, stop: &AtomicBool) {
    let me = [u8::try_from(node).expect("a bed has 32 nodes at most")];
    let mut open: Option<(u64, UdpSocket)> = None;
    let mut question = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        let identity = netns::identity(space);
        if open.as_ref().map(|(of, _)| *of) != identity {
            open = identity.and_then(|of| Some((of, socket(space)?)));
        }
        let Some((_, socket)) = &open else {
            thread::sleep(LOOK);
            continue;
        };
        // Until nobody asks for a while; a reply that cannot be sent is one that is lost.
        while let Ok((_, from)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(&me, from);
            if stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn socket(space: &str) -> Option<UdpSocket> {
    let socket = netns::inside(space, || UdpSocket::bind(("0.0.0.0", PORT))).ok()?.ok()?;
    socket.set_read_timeout(Some(LOOK)).ok()?;
    Some(socket)
}
