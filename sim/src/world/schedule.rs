//! What will happen, in the order of (time, order of asking).
//!
//! A wheel of wheels: level 0 has 1,024 slots of a microsecond, so that most of what travels on a
//! network goes there at once; above, each level has 64 slots, each as long as the whole level below; ten
//! levels cover all 64 bits of a [`Moment`]. An event waits at the highest digit in which its time
//! differs from the time of the last event taken, which is what makes the lowest used level hold
//! the earliest events and, within it, the lowest used slot.
//!
//! **Equal times leave in the order they came.** They always share a slot, because the slot
//! follows from the time and the last time taken alone. A slot is a queue; taking it apart for a
//! lower level goes front to back, into slots that are empty (every lower level is). So no event
//! overtakes one of its own time, whichever level either went through.
//!
//! A slot is a list linked through `entries`, which do not move, so a schedule that has reached
//! its size allocates no more.

use prefetch_index::prefetch_index;

use super::moment::Moment;

/// Bits of a time that level 0 looks at.
const LOW_BITS: u32 = 10;
/// Slots of level 0.
const LOW: usize = 1 << LOW_BITS;
/// Bits of a time that each level above looks at.
const BITS: u32 = 6;
/// Slots of each level above.
const SLOTS: usize = 1 << BITS;
/// Enough levels above for the rest of 64 bits.
const HIGH: usize = (u64::BITS - LOW_BITS).div_ceil(BITS) as usize;
/// No entry.
const NONE: u32 = u32::MAX;

/// Future events, earliest first, those of one time in the order they were pushed.
#[derive(Clone, Debug)]
pub struct Schedule<E> {
    /// The time of the last event taken: nothing may be pushed before it.
    last: u64,
    len: usize,
    /// Bit `l` is set if level `l`, above 0, holds anything.
    levels: u16,
    /// Bit `w` is set if word `w` of `low` is not 0.
    low_words: u16,
    /// Bit `s` is set if slot `s` of level 0 holds anything.
    low: [u64; LOW / 64],
    /// Per level above, bit `s` is set if slot `s` holds anything.
    high: [u64; HIGH],
    /// Level 0's slots, then those of each level above.
    slots: Box<[Queue; LOW + SLOTS * HIGH]>,
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
#[repr(align(64))]
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
            low_words: 0,
            low: [0; LOW / 64],
            high: [0; HIGH],
            slots: Box::new([Queue { first: NONE, last: NONE }; LOW + SLOTS * HIGH]),
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
        prefetch_index(&self.entries, self.free as usize);
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
        let mut slot = self.earliest()?;
        // The slot's start is the time itself on level 0; above, it often spares a look inside.
        let mut time = self.start_of(slot);
        if time > until.0 {
            return None;
        }
        if slot.level > 0 {
            time = self.earliest_in(slot);
            if time > until.0 {
                return None;
            }
            let queue = self.slots[slot.place()];
            if queue.first != queue.last {
                self.take_apart(slot, time);
                slot = Slot { level: 0, at: time as usize % LOW };
            }
        }
        self.last = time;
        Some((Moment(time), self.remove_first(slot)))
    }

    /// The time of the next event. Later pushes may still come before it.
    #[must_use]
    pub fn peek(&self) -> Option<Moment> {
        Some(Moment(self.earliest_in(self.earliest()?)))
    }

    /// The event that comes next if none is pushed before it and it lies on level 0. The one after
    /// it is fetched from memory meanwhile.
    #[inline]
    pub fn ahead(&self) -> Option<&E> {
        let (word, used) = self.low_word()?;
        let slot = used.trailing_zeros() as usize;
        let entry = &self.entries[self.slots[word * 64 + slot].first as usize];
        let beyond = match (entry.next, used & (used - 1)) {
            (NONE, 0) => None,
            (NONE, rest) => Some(self.slots[word * 64 + rest.trailing_zeros() as usize].first),
            (next, _) => Some(next),
        };
        if let Some(beyond) = beyond {
            prefetch_index(&self.entries, beyond as usize);
        }
        entry.event.as_ref()
    }

    /// The first word of level 0 that holds anything.
    #[inline]
    fn low_word(&self) -> Option<(usize, u64)> {
        let word = self.low_words.trailing_zeros() as usize;
        Some((word, *self.low.get(word)?))
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

    /// The slot that holds the earliest events.
    #[inline]
    fn earliest(&self) -> Option<Slot> {
        if let Some((word, used)) = self.low_word() {
            return Some(Slot { level: 0, at: word * 64 + used.trailing_zeros() as usize });
        }
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some(Slot { level, at: self.high[level - 1].trailing_zeros() as usize })
    }

    /// The earliest time that belongs into a slot.
    #[inline]
    const fn start_of(&self, slot: Slot) -> u64 {
        let (shift, bits) = slot.digit();
        let above = match u64::MAX.checked_shl(shift + bits) {
            Some(mask) => self.last & mask,
            None => 0,
        };
        above | (slot.at as u64) << shift
    }

    /// The earliest time in a slot that holds something.
    fn earliest_in(&self, slot: Slot) -> u64 {
        let mut at = self.slots[slot.place()].first;
        let mut time = u64::MAX;
        while at != NONE {
            let entry = &self.entries[at as usize];
            time = time.min(entry.time);
            at = entry.next;
        }
        time
    }

    /// Makes `time`, the earliest in this slot, the present: its entries go to lower levels.
    fn take_apart(&mut self, slot: Slot, time: u64) {
        self.mark_empty(slot);
        self.last = time;
        let mut at = self.slots[slot.place()].first;
        while at != NONE {
            let Entry { time, next, .. } = self.entries[at as usize];
            self.append(at, time);
            at = next;
        }
    }

    /// Puts an entry at the end of the slot its time belongs to.
    #[inline(always)]
    fn append(&mut self, at: u32, time: u64) -> &mut Option<E> {
        let slot = Slot::of(time, self.last);
        let queue = &mut self.slots[slot.place()];
        let used = match slot.level {
            0 => &mut self.low[slot.at / 64],
            level => &mut self.high[level - 1],
        };
        let bit = 1 << (slot.at % 64);
        if *used & bit == 0 {
            *used |= bit;
            match slot.level {
                0 => self.low_words |= 1 << (slot.at / 64),
                level => self.levels |= 1 << level,
            }
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
    fn remove_first(&mut self, slot: Slot) -> E {
        let queue = &mut self.slots[slot.place()];
        let at = queue.first;
        let entry = &mut self.entries[at as usize];
        queue.first = entry.next;
        let last = entry.next == NONE;
        entry.next = self.free;
        self.free = at;
        let event = entry.event.take().expect("a linked entry holds an event");
        if last {
            self.mark_empty(slot);
        }
        self.len -= 1;
        event
    }

    #[inline]
    const fn mark_empty(&mut self, slot: Slot) {
        if slot.level == 0 {
            let word = slot.at / 64;
            self.low[word] &= !(1 << (slot.at % 64));
            if self.low[word] == 0 {
                self.low_words &= !(1 << word);
            }
        } else {
            let used = &mut self.high[slot.level - 1];
            *used &= !(1 << slot.at);
            if *used == 0 {
                self.levels &= !(1 << slot.level);
            }
        }
    }
}

/// A slot of a level.
#[derive(Clone, Copy, Debug)]
struct Slot {
    level: usize,
    at: usize,
}

impl Slot {
    /// Where a time belongs while it is `last`.
    #[inline(always)]
    const fn of(time: u64, last: u64) -> Self {
        let differs = time ^ last;
        if differs < LOW as u64 {
            return Self { level: 0, at: time as usize % LOW };
        }
        let above = (differs.ilog2() - LOW_BITS) / BITS;
        let at = (time >> (LOW_BITS + above * BITS)) as usize % SLOTS;
        Self { level: above as usize + 1, at }
    }

    /// Its place among all slots.
    #[inline(always)]
    const fn place(self) -> usize {
        match self.level {
            0 => self.at,
            level => LOW + (level - 1) * SLOTS + self.at,
        }
    }

    /// The lowest bit of the digit its level looks at, and how many it looks at.
    const fn digit(self) -> (u32, u32) {
        match self.level {
            0 => (0, LOW_BITS),
            level => (LOW_BITS + (level as u32 - 1) * BITS, BITS),
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
