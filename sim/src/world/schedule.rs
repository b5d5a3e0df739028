//! What will happen, in the order of (time, order of asking).
//!
//! A wheel of wheels with 64 slots each: level 0 has a slot a microsecond, level 1 a slot 64 of
//! them, and so on; eleven levels cover all 64 bits of a [`Moment`]. An event waits at the
//! highest 6-bit digit in which its time differs from the time of the last event taken, which is
//! what makes the lowest used level hold the earliest events and, within it, the lowest used slot.
//!
//! **Equal times leave in the order they came.** They always share a slot, because the slot
//! follows from the time and the last time taken alone. A slot is a queue; taking it apart for a
//! lower level goes front to back, into slots that are empty (every lower level is). So no event
//! overtakes one of its own time, whichever level either went through.
//!
//! A slot is a list linked through `entries`, which do not move, so a schedule that has reached
//! its size allocates no more.

use super::moment::Moment;

/// Bits of a time a level looks at.
const BITS: u32 = 6;
/// Slots of a level.
const SLOTS: usize = 1 << BITS;
/// Enough levels for 64 bits.
const LEVELS: usize = u64::BITS.div_ceil(BITS) as usize;
/// No entry.
const NONE: u32 = u32::MAX;

/// Future events, earliest first, those of one time in the order they were pushed.
#[derive(Clone, Debug)]
pub struct Schedule<E> {
    /// The time of the last event taken: nothing may be pushed before it.
    last: u64,
    len: usize,
    /// Bit `l` is set if level `l` holds anything.
    levels: u16,
    /// Per level, bit `s` is set if slot `s` holds anything.
    used: [u64; LEVELS],
    slots: Box<[[Queue; SLOTS]; LEVELS]>,
    entries: Vec<Entry<E>>,
    /// The first free entry; the others follow it.
    free: u32,
}

/// A slot: its first and last entry. Meaningless while its bit is not set.
#[derive(Clone, Copy, Debug)]
struct Queue {
    first: u32,
    last: u32,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    time: u64,
    next: u32,
    /// `None` where the entry is free.
    event: Option<E>,
}

impl<E> Schedule<E> {
    /// An empty schedule at the beginning of time.
    #[must_use]
    pub fn new() -> Self {
        Self {
            last: 0,
            len: 0,
            levels: 0,
            used: [0; LEVELS],
            slots: Box::new([[Queue { first: NONE, last: NONE }; SLOTS]; LEVELS]),
            entries: Vec::new(),
            free: NONE,
        }
    }

    /// Puts an event at `at`, behind those that are already there.
    ///
    /// # Panics
    /// If `at` lies before the last event taken: the world's past is closed.
    #[inline(always)]
    pub fn push(&mut self, at: Moment, event: E) {
        *self.book(at) = Some(event);
    }

    /// Appends an entry at `at`; its event is for the caller to put, where it is to stay.
    #[inline(never)]
    fn book(&mut self, at: Moment) -> &mut Option<E> {
        assert!(at.0 >= self.last, "an event for {at}, but it is {} already", Moment(self.last));
        if self.free == NONE {
            self.grow();
        }
        let place = self.free;
        self.free = self.entries[place as usize].next;
        self.len += 1;
        self.append(place, at.0)
    }

    /// Makes a free entry where there is none.
    #[cold]
    fn grow(&mut self) {
        self.free = u32::try_from(self.entries.len()).expect("fewer than 4 G events in flight");
        self.entries.push(Entry { time: 0, next: NONE, event: None });
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Moment, E)> {
        self.pop_until(Moment::NEVER)
    }

    /// Takes the next event if its time is `until` or earlier.
    pub fn pop_until(&mut self, until: Moment) -> Option<(Moment, E)> {
        let (mut level, mut slot) = self.earliest()?;
        // The slot's start is the time itself on level 0; above, it often spares a look inside.
        let mut time = self.start_of(level, slot);
        if time > until.0 {
            return None;
        }
        if level > 0 {
            time = self.earliest_in(level, slot);
            if time > until.0 {
                return None;
            }
            let queue = self.slots[level][slot];
            if queue.first != queue.last {
                self.take_apart(level, slot, time);
                (level, slot) = (0, time as usize % SLOTS);
            }
        }
        self.last = time;
        Some((Moment(time), self.remove_first(level, slot)))
    }

    /// The time of the next event. Later pushes may still come before it.
    #[must_use]
    pub fn peek(&self) -> Option<Moment> {
        let (level, slot) = self.earliest()?;
        Some(Moment(self.earliest_in(level, slot)))
    }

    /// How many events are to come.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no event is to come.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The level and slot that hold the earliest events.
    fn earliest(&self) -> Option<(usize, usize)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some((level, self.used[level].trailing_zeros() as usize))
    }

    /// The earliest time that belongs into a slot.
    const fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * BITS;
        let above = match u64::MAX.checked_shl(shift + BITS) {
            Some(mask) => self.last & mask,
            None => 0,
        };
        above | (slot as u64) << shift
    }

    /// The earliest time in a slot that holds something.
    fn earliest_in(&self, level: usize, slot: usize) -> u64 {
        let mut at = self.slots[level][slot].first;
        let mut time = u64::MAX;
        while at != NONE {
            let entry = &self.entries[at as usize];
            time = time.min(entry.time);
            at = entry.next;
        }
        time
    }

    /// Makes `time`, the earliest in this slot, the present: its entries go to lower levels.
    fn take_apart(&mut self, level: usize, slot: usize, time: u64) {
        self.mark_empty(level, slot);
        self.last = time;
        let mut at = self.slots[level][slot].first;
        while at != NONE {
            let Entry { time, next, .. } = self.entries[at as usize];
            self.append(at, time);
            at = next;
        }
    }

    /// Puts an entry at the end of the slot its time belongs to.
    #[inline(always)]
    fn append(&mut self, at: u32, time: u64) -> &mut Option<E> {
        // The lowest bit only keeps the logarithm of "no difference" defined.
        let level = ((time ^ self.last) | 1).ilog2() / BITS;
        let slot = (time >> (level * BITS)) as usize % SLOTS;
        let level = level as usize;
        let queue = &mut self.slots[level][slot];
        let used = &mut self.used[level];
        let bit = 1 << slot;
        if *used & bit == 0 {
            *used |= bit;
            self.levels |= 1 << level;
            queue.first = at;
        } else {
            self.entries[queue.last as usize].next = at;
        }
        queue.last = at;
        let entry = &mut self.entries[at as usize];
        (entry.time, entry.next) = (time, NONE);
        &mut entry.event
    }

    /// Takes the first entry of a slot out and frees it.
    fn remove_first(&mut self, level: usize, slot: usize) -> E {
        let queue = &mut self.slots[level][slot];
        let at = queue.first;
        let entry = &mut self.entries[at as usize];
        queue.first = entry.next;
        let last = entry.next == NONE;
        entry.next = self.free;
        self.free = at;
        let event = entry.event.take().expect("a linked entry holds an event");
        if last {
            self.mark_empty(level, slot);
        }
        self.len -= 1;
        event
    }

    const fn mark_empty(&mut self, level: usize, slot: usize) {
        self.used[level] &= !(1 << slot);
        if self.used[level] == 0 {
            self.levels &= !(1 << level);
        }
    }
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
