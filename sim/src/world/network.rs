//! What lies between hosts: delay, loss, and who can reach whom, per network and direction.

use standin_core::rng::Rng;
use standin_core::time::Duration;

use super::moment::{HostId, Net};

/// Delay and loss of one host's port on a network; a segment meets both ends' weather.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Added to every segment.
    pub latency: Duration,
    /// Up to this much more, drawn for each segment.
    pub jitter: Duration,
    /// Segments lost, in parts of a million.
    pub loss_ppm: u32,
}

impl Weather {
    /// No delay beyond the wire's own, nothing lost.
    pub const CALM: Self = Self { latency: Duration::ZERO, jitter: Duration::ZERO, loss_ppm: 0 };
}

/// The wire's own delay: a switch and two kernels on one site.
const WIRE: Duration = Duration(60);
/// The wire's own jitter.
const WIRE_JITTER: u64 = 120;
/// Between two sockets of one host.
pub(super) const LOOPBACK: Duration = Duration(15);

/// Both networks: cuts (counted, so that overlapping faults undo exactly) and weather.
#[derive(Clone, Debug)]
pub struct Network {
    hosts: usize,
    cuts: [Vec<u16>; 2],
    weather: [Vec<Weather>; 2],
    calm: [bool; 2],
    latency: Rng,
    loss: Rng,
}

impl Network {
    /// Networks without hosts.
    #[must_use]
    pub(super) fn new(latency: Rng, loss: Rng) -> Self {
        Self {
            hosts: 0,
            cuts: [Vec::new(), Vec::new()],
            weather: [Vec::new(), Vec::new()],
            calm: [true; 2],
            latency,
            loss,
        }
    }

    /// Makes room for one more host; call before any cut.
    pub(super) fn add_host(&mut self) {
        self.hosts += 1;
        for net in 0..2 {
            self.cuts[net] = vec![0; self.hosts * self.hosts];
            self.weather[net].push(Weather::CALM);
        }
    }

    fn cell(&self, from: HostId, to: HostId) -> usize {
        from.index() * self.hosts + to.index()
    }

    /// Whether no cut lies on the way from one host to another.
    #[must_use]
    pub fn open(&self, net: Net, from: HostId, to: HostId) -> bool {
        self.cuts[net as usize][self.cell(from, to)] == 0
    }

    /// Adds a cut in one direction.
    pub(super) fn cut(&mut self, net: Net, from: HostId, to: HostId) {
        let cell = self.cell(from, to);
        self.cuts[net as usize][cell] += 1;
    }

    /// Takes one cut away; more mends than cuts change nothing.
    pub(super) fn mend(&mut self, net: Net, from: HostId, to: HostId) {
        let cell = self.cell(from, to);
        let cuts = &mut self.cuts[net as usize][cell];
        *cuts = cuts.saturating_sub(1);
    }

    /// Takes every cut away and calms the weather.
    pub(super) fn heal(&mut self) {
        for net in 0..2 {
            self.cuts[net].fill(0);
            self.weather[net].fill(Weather::CALM);
            self.calm[net] = true;
        }
    }

    /// Sets the weather at one host's port, or at all.
    pub(super) fn set_weather(&mut self, net: Net, host: Option<HostId>, weather: Weather) {
        match host {
            Some(host) => self.weather[net as usize][host.index()] = weather,
            None => self.weather[net as usize].fill(weather),
        }
        self.calm[net as usize] = self.weather[net as usize].iter().all(|held| *held == Weather::CALM);
    }

    /// The weather a segment between two hosts meets.
    #[must_use]
    pub fn weather(&self, net: Net, from: HostId, to: HostId) -> Weather {
        let (one, other) = (self.weather[net as usize][from.index()], self.weather[net as usize][to.index()]);
        Weather {
            latency: one.latency + other.latency,
            jitter: one.jitter + other.jitter,
            loss_ppm: (one.loss_ppm + other.loss_ppm).min(1_000_000),
        }
    }

    /// How long a segment takes; drawn anew each time.
    #[inline]
    pub(super) fn delay(&mut self, net: Option<Net>, from: HostId, to: HostId) -> Duration {
        let Some(net) = net else { return LOOPBACK };
        if self.calm[net as usize] {
            return Duration(WIRE.0 + self.latency.below(WIRE_JITTER));
        }
        let weather = self.weather(net, from, to);
        WIRE + weather.latency + Duration(self.latency.below(WIRE_JITTER + weather.jitter.0))
    }

    /// Whether this segment is lost; drawn anew each time, and only in bad weather.
    #[inline]
    pub(super) fn loses(&mut self, net: Option<Net>, from: HostId, to: HostId) -> bool {
        let Some(net) = net else { return false };
        if self.calm[net as usize] {
            return false;
        }
        let loss = self.weather(net, from, to).loss_ppm;
        loss > 0 && self.loss.chance(loss)
    }
}
