//! Settings and where they come from.

use serde_json::json;

use super::document::{Block, Document};
use crate::domain::named::named;

named! {
    /// What decided a setting.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Origin {
        Option = "option",
        Environment = "environment",
        DotEnv = ".env",
        Default = "default",
    }
}

/// A setting as it may be shown: secrets are already hidden.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Of the environment.
    pub variable: String,
    /// Of the command line, if there is one.
    pub option: Option<String>,
    /// `None` where nothing is set and there is no default.
    pub value: Option<String>,
    pub origin: Origin,
}

pub fn settings(settings: &[Setting]) -> Document {
    let rows = settings
        .iter()
        .map(|setting| {
            json!({
                "variable": setting.variable,
                "option": setting.option,
                "value": setting.value,
                "origin": setting.origin.name(),
            })
        })
        .collect();
    let table = Block::Table {
        headers: vec!["Variable", "Option", "Value", "Origin"],
        rows: settings
            .iter()
            .map(|setting| {
                vec![
                    setting.variable.clone(),
                    setting.option.clone().unwrap_or_default(),
                    setting.value.clone().unwrap_or_default(),
                    setting.origin.name().to_owned(),
                ]
            })
            .collect(),
    };
    Document::list("config-show", "settings", rows, vec![table])
}
