//! The only clock: boot time that counts suspend.
