//! Why a host does not start.

use std::io;
use std::net::SocketAddr;

use pelton_connect::Error as ConnectError;
use pelton_control::StartError as ControlError;
use pelton_model::cause::Cause;

/// What a host can't begin without. Kafka and Postgres are not among it: they may come later.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API would be open to others than it should be, or a token can't be read. Quotes no token.
    #[error("{0}")]
    Guard(Cause),
    /// The certificate or its key can't be used. Quotes nothing of them.
    #[error("{0}")]
    Tls(Cause),
    /// The address is taken, or none of this machine.
    #[error(
        "failed to listen on {address}: is another Pelton (or Flink) running? choose another with --listen: {cause}"
    )]
    Listen {
        /// What to listen on.
        address: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
    /// No client can be made with the settings.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The jobs can't be started.
    #[error(transparent)]
    Control(#[from] ControlError),
}
