//! The roles of a ledger in PostgreSQL, as SQL to be run.

use serde_json::json;

use super::document::{Block, Document};

/// `schema` and `prefix` are lower-case identifiers.
pub fn roles(schema: &str, prefix: &str) -> Document {
    let names = ["auditor", "operator", "admin"];
    let template = include_str!("roles.sql").replace("{schema}", schema);
    let sql = names.iter().fold(template, |sql, name| {
        sql.replace(&format!("{{{name}}}"), &format!("{prefix}{name}"))
    });
    let data = json!({"roles": names.map(|name| format!("{prefix}{name}")), "sql": sql});
    Document::single("roles-sql", data, vec![Block::Line(sql.trim_end().to_owned())])
}
