//! The daemon.

use standin_node::guard;

fn main() {
    if guard::is_asked_for() {
        guard::run();
    }
}
