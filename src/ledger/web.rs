//! How others are reached over HTTP, the same for monitors and webhooks: with the system's certificates and patience
//! that ends.

use std::time::Duration;

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::typestate::AgentScope;

pub(super) fn agent(patience: Duration) -> ConfigBuilder<AgentScope> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(patience))
        .user_agent(concat!("ledger/", env!("CARGO_PKG_VERSION")))
}
