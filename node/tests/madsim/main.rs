//! The driver, its links and its timers under madsim: three CTDB machines in virtual time, seed by
//! seed. `cargo xtask madsim` builds and runs this; without `--cfg madsim` it is empty.

#[cfg(madsim)]
mod campaign;
#[cfg(madsim)]
mod cluster;
#[cfg(madsim)]
mod hands;
#[cfg(madsim)]
mod story;

fn main() {
    #[cfg(madsim)]
    campaign::main();
}
