//! A client on the public network, who wants every address all the time.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::node::Node;
use crate::responder::{PORT, Responders};
use crate::shell::io;
use crate::{Error, Result, netns};

/// How often each address is asked.
const EVERY: Duration = Duration::from_millis(20);

/// An address that has not answered for so long is silent: ten questions.
const SILENT: Duration = Duration::from_millis(200);

/// Asks each address every 20 ms through the normal neighbour table and keeps every answer. One
/// socket an address: an unresolved neighbour fills a socket's buffer.
#[derive(Debug)]
pub struct Client {
    addresses: Vec<(Ipv4Addr, Arc<Mutex<Vec<Answer>>>)>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _responders: Responders,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    at: Instant,
    node: usize,
}

/// Two answers with nothing between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last answer before the silence, or the beginning of what was looked at.
    pub from: Instant,
    /// The first after it, or the end of what was looked at.
    pub to: Instant,
}

impl Gap {
    /// How long it lasted.
    pub fn length(&self) -> Duration {
        self.to.saturating_duration_since(self.from)
    }
}

impl Client {
    /// Begins to ask; every node answers from now on, for as long as the client lives.
    ///
    /// # Errors
    ///
    /// The client's namespace cannot be entered, or a socket does not open.
    pub fn start(bed: &Bed) -> Result<Self> {
        let responders = Responders::start(bed.nodes.iter().map(Node::space).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let (mut addresses, mut threads) = (Vec::new(), Vec::new());
        for &address in bed.addresses() {
            let space = bed.space("client");
            let socket = netns::inside(&space, || UdpSocket::bind(("0.0.0.0", 0)))?;
            let socket = socket.and_then(|socket| socket.set_write_timeout(Some(EVERY / 2)).map(|()| socket));
            let socket = io(space.as_ref(), socket)?;
            let answers = Arc::new(Mutex::new(Vec::new()));
            addresses.push((address, Arc::clone(&answers)));
            let stop = Arc::clone(&stop);
            threads.push(thread::spawn(move || ask(&socket, address, &answers, &stop)));
        }
        Ok(Self { addresses, stop, threads, _responders: responders })
    }

    /// Who answered for an address within the last 200 ms.
    ///
    /// # Panics
    ///
    /// The address is not one of the bed's.
    pub fn answers(&self, address: Ipv4Addr) -> Option<usize> {
        let answers = self.log(address).lock().expect("nobody panics while asking");
        answers.last().filter(|last| last.at.elapsed() < SILENT).map(|last| last.node)
    }

    /// Who answers for each address now, in the order of [`Bed::addresses`].
    pub fn all(&self) -> Vec<(Ipv4Addr, Option<usize>)> {
        self.addresses.iter().map(|(address, _)| (*address, self.answers(*address))).collect()
    }

    /// The addresses a node answers for now.
    pub fn of(&self, node: usize) -> Vec<Ipv4Addr> {
        self.all().into_iter().filter(|(_, who)| *who == Some(node)).map(|(address, _)| address).collect()
    }

    /// The longest time without an answer for an address, among those that reach beyond `from`
    /// and began before `to`. About 20 ms when all is well.
    ///
    /// # Panics
    ///
    /// The address is not one of the bed's.
    pub fn longest_gap(&self, address: Ipv4Addr, from: Instant, to: Instant) -> Gap {
        let answers = self.log(address).lock().expect("nobody panics while asking");
        let times: Vec<Instant> = answers.iter().map(|answer| answer.at).collect();
        longest(&times, from, to)
    }

    /// The same for the worst of several addresses, with its address.
    ///
    /// # Panics
    ///
    /// One of the addresses is not the bed's.
    pub fn worst_gap(&self, addresses: &[Ipv4Addr], from: Instant, to: Instant) -> Option<(Ipv4Addr, Gap)> {
        let gaps = addresses.iter().map(|&address| (address, self.longest_gap(address, from, to)));
        gaps.max_by_key(|(_, gap)| gap.length())
    }

    /// When an address was first answered for, if ever.
    ///
    /// # Panics
    ///
    /// The address is not one of the bed's.
    pub fn first_answer(&self, address: Ipv4Addr) -> Option<Instant> {
        let answers = self.log(address).lock().expect("nobody panics while asking");
        answers.first().map(|first| first.at)
    }

    /// Every time between two moments without an answer for an address that lasted longer than
    /// `least`, cut off at both.
    ///
    /// # Panics
    ///
    /// The address is not one of the bed's.
    pub fn silences(&self, address: Ipv4Addr, from: Instant, to: Instant, least: Duration) -> Vec<Gap> {
        let answers = self.log(address).lock().expect("nobody panics while asking");
        let times = answers.iter().map(|answer| answer.at).filter(|&at| at > from && at < to);
        let mut last = from;
        let mut found = Vec::new();
        for at in times.chain([to]) {
            let gap = Gap { from: last, to: at };
            found.extend((gap.length() > least).then_some(gap));
            last = at;
        }
        found
    }

    /// Waits until `what` holds of [`Self::all`]; how long after `since` it did, to 5 ms.
    ///
    /// # Errors
    ///
    /// It does not within `limit` from now; the error says who answered at last.
    pub fn wait(
        &self,
        since: Instant,
        limit: Duration,
        mut what: impl FnMut(&[(Ipv4Addr, Option<usize>)]) -> bool,
    ) -> Result<Duration> {
        let until = Instant::now() + limit;
        loop {
            let all = self.all();
            if what(&all) {
                return Ok(since.elapsed());
            }
            if Instant::now() > until {
                return Err(Error::new(format!("after {} s: {}", limit.as_secs(), told(&all))));
            }
            thread::sleep(EVERY / 4);
        }
    }

    fn log(&self, address: Ipv4Addr) -> &Mutex<Vec<Answer>> {
        let found = self.addresses.iter().find(|(other, _)| *other == address);
        &found.unwrap_or_else(|| panic!("{address} is not asked for")).1
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// `10.78.1.1 n0, 10.78.1.2 silent`
fn told(all: &[(Ipv4Addr, Option<usize>)]) -> String {
    let one = |(address, who): &(Ipv4Addr, Option<usize>)| match who {
        Some(node) => format!("{address} n{node}"),
        None => format!("{address} silent"),
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn ask(socket: &UdpSocket, address: Ipv4Addr, answers: &Mutex<Vec<Answer>>, stop: &AtomicBool) {
    let mut next = Instant::now();
    let mut answer = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        // What does not get out is as lost as what does not get there.
        let _ = socket.send_to(b"who?", (address, PORT));
        // After a stall one question, not all that were missed.
        next = (next + EVERY).max(Instant::now());
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
                break;
            }
            if let Ok((1, _)) = socket.recv_from(&mut answer) {
                let answer = Answer { at: Instant::now(), node: answer[0].into() };
                answers.lock().expect("nobody panics while asking").push(answer);
            }
        }
    }
}

fn longest(times: &[Instant], from: Instant, to: Instant) -> Gap {
    let first = times.partition_point(|&at| at < from);
    let before = first.checked_sub(1).map_or(from, |last| times[last]);
    let within = times[first..].iter().copied().take_while(|&at| at < to);
    let after = times[first..].iter().copied().find(|&at| at >= to).unwrap_or(to);
    let mut longest = Gap { from: before, to: before };
    let mut last = before;
    for at in within.chain([after]) {
        if at.saturating_duration_since(last) > longest.length() {
            longest = Gap { from: last, to: at };
        }
        last = at;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap_ms(times: &[u64], from: u64, to: u64) -> (u64, u64) {
        let zero = Instant::now();
        let at = |ms: u64| zero + Duration::from_millis(ms);
        let times: Vec<Instant> = times.iter().map(|&ms| at(ms)).collect();
        let gap = longest(&times, at(from), at(to));
        let ms = |at: Instant| u64::try_from(at.saturating_duration_since(zero).as_millis()).unwrap();
        (ms(gap.from), ms(gap.to))
    }

    #[test]
    fn a_gap_reaches_from_answer_to_answer() {
        assert_eq!(gap_ms(&[0, 20, 500, 520], 30, 510), (20, 500));
        assert_eq!(gap_ms(&[0, 20, 40, 900, 920], 30, 100), (40, 900));
    }

    #[test]
    fn without_an_answer_it_ends_with_the_look() {
        assert_eq!(gap_ms(&[], 0, 100), (0, 100));
        assert_eq!(gap_ms(&[0, 20], 10, 300), (20, 300));
        assert_eq!(gap_ms(&[200], 100, 250), (100, 200));
    }
}
