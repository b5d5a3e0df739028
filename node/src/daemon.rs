//! Into the background, with pid file and log.
