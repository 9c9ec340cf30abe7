//! Further listeners of a broker, for clients with TLS, SASL, or both.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;

/// A listener on 127.0.0.1.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name, in capital letters.
    pub name: &'static str,
    /// `SSL`, `SASL_SSL` or `SASL_PLAINTEXT`.
    pub protocol: &'static str,
    /// Settings of it alone, such as `ssl.client.auth=required`.
    pub settings: Vec<String>,
}

/// Chooses ports for listeners, and adds them to a configuration.
pub(super) fn add(properties: String, listeners: &mut [(Listener, u16)]) -> Result<String> {
    if listeners.is_empty() {
        return Ok(properties);
    }
    // Held together, so that none comes twice.
    let sockets = listeners.iter().map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let sockets: Vec<_> = sockets.collect::<Result<_, _>>()?;
    for ((_, port), socket) in listeners.iter_mut().zip(&sockets) {
        *port = socket.local_addr()?.port();
    }
    let places: String =
        listeners.iter().map(|(listener, port)| format!("{}://127.0.0.1:{port},", listener.name)).collect();
    let mut properties = properties
        .replace("\nlisteners=", &format!("\nlisteners={places}"))
        .replace("advertised.listeners=", &format!("advertised.listeners={places}"));
    let protocols: String =
        listeners.iter().map(|(listener, _)| format!(",{}:{}", listener.name, listener.protocol)).collect();
    properties.push_str(&format!(
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
         inter.broker.listener.name=PLAINTEXT\n"
    ));
    for (listener, _) in listeners.iter() {
        for setting in &listener.settings {
            properties.push_str(&format!("listener.name.{}.{setting}\n", listener.name.to_lowercase()));
        }
    }
    Ok(properties)
}
