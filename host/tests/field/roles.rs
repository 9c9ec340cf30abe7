//! Roles that may do little, for hosts to be.

use crate::stage::Servers;

/// Makes a role that may do no more than is granted here, in place of one of an earlier test; its URL. Its password is
/// its name.
pub(crate) fn role(servers: &Servers, name: &str, grants: &str) -> String {
    servers.sql(&format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
            DROP OWNED BY {name}; DROP ROLE {name}; END IF; END $$;
        CREATE ROLE {name} LOGIN PASSWORD '{name}'; GRANT USAGE ON SCHEMA public TO {name}; {grants}"
    ));
    let url = servers.postgres.url();
    format!("postgres://{name}:{name}@{}", url.split_once('@').unwrap().1)
}

/// Ends the sessions of a role, as an administrator does.
pub(crate) fn end_sessions(servers: &Servers, role: &str) {
    servers.query(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"));
}
