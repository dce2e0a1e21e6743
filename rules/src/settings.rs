//! `ruleset.toml`: what holds for all rules of a set.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use toml_edit::Item;

use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::names::Fold;

const KEYS: [&str; 8] =
    ["name", "combine", "default", "max_staleness_seconds", "amounts", "budget", "people", "lists"];

/// How the rules' verdicts become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// All rules run; the strongest verdict wins: reject, then escalate, then approve.
    RejectOverrides,
    /// The first rule with a verdict wins; the rest do not run.
    FirstMatch,
}

/// What becomes of a task that every rule passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// A person decides.
    Escalate,
    /// It is approved. Must be written out.
    Approve,
}

/// What a ruleset may approve by itself in an hour, over the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct Budget {
    /// The most automatic approvals an hour.
    pub approvals_per_hour: Option<u64>,
    /// The amount whose sum is capped, such as `order.amount`, and the cap an hour: at least 0.
    pub amount_per_hour: Option<(String, Decimal)>,
}

/// From which amount on two people must approve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Second {
    /// The amount, such as `order.amount` or a derived fact.
    pub amount: String,
    /// This amount needs two, and so does every larger one.
    pub from: Decimal,
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The ruleset's name.
    pub name: String,
    /// How verdicts combine.
    pub combine: Combine,
    /// What happens to a task that every rule passed.
    pub default: Default,
    /// After how long without reaching the wanted version everything escalates; never if absent.
    pub max_staleness_seconds: Option<u64>,
    /// The facts whose sums a backtest shows, such as `order.amount`.
    pub amounts: Vec<String>,
    /// What may be approved in an hour; without limits if empty.
    pub budget: Budget,
    /// From which amount on two people must approve; one is enough if absent.
    pub second: Option<Second>,
    /// When a text is an entry of a list, by the list's name, where it is not the usual.
    pub(crate) lists: BTreeMap<String, Fold>,
}

impl std::default::Default for Settings {
    fn default() -> Settings {
        Settings {
            name: "rules".to_owned(),
            combine: Combine::RejectOverrides,
            default: Default::Escalate,
            max_staleness_seconds: None,
            amounts: Vec::new(),
            budget: Budget::default(),
            second: None,
            lists: BTreeMap::new(),
        }
    }
}

/// Parses `ruleset.toml`; every error it has, and what its author should look at.
pub(crate) fn parse(file: &str, text: &str) -> (Settings, Vec<Diagnostic>) {
    let mut settings = Settings::default();
    let document = match Document::parse(file, text) {
        Ok(document) => document,
        Err(error) => return (settings, vec![*error]),
    };
    let top = document.table();
    let mut findings = document.unknown_keys(top, &KEYS);
    for (key, item) in top.iter() {
        if let Err(message) = settings.set(key, item) {
            findings.push(document.error(top, key, "settings", message));
        }
    }
    if settings.default == Default::Approve {
        let message = "a task that no rule decides is approved";
        let warning = document.error(top, "default", "default-approve", message).into_warning();
        findings.push(warning.help("the safe default is escalate"));
    }
    (settings, findings)
}

impl Settings {
    fn set(&mut self, key: &str, item: &Item) -> Result<(), String> {
        let text = || item.as_str().ok_or_else(|| format!("{key} is not text"));
        match key {
            "name" => {
                let name = text()?;
                if !crate::ending::is_code(name) {
                    return Err(format!("the name '{name}' is not lower-case words joined by '-'"));
                }
                self.name = name.to_owned();
            }
            "combine" => {
                self.combine = match text()? {
                    "reject-overrides" => Combine::RejectOverrides,
                    "first-match" => Combine::FirstMatch,
                    other => {
                        return Err(format!("combine is '{other}', not reject-overrides or first-match"));
                    }
                };
            }
            "default" => {
                self.default = match text()? {
                    "escalate" => Default::Escalate,
                    "approve" => Default::Approve,
                    other => return Err(format!("default is '{other}', not escalate or approve")),
                };
            }
            "max_staleness_seconds" => self.max_staleness_seconds = Some(whole(key, item)?),
            "amounts" => {
                let paths = item.as_array().map(|array| array.iter().map(|path| path.as_str()));
                let paths: Option<Vec<&str>> = paths.and_then(Iterator::collect);
                let paths = paths.ok_or("amounts is not a list of facts such as \"order.amount\"")?;
                self.amounts = paths.into_iter().map(amount).collect::<Result<_, _>>()?;
            }
            "budget" => self.budget = budget(item)?,
            "people" => self.second = Some(people(item)?),
            "lists" => self.lists = lists(item)?,
            _ => {}
        }
        Ok(())
    }
}

fn budget(item: &Item) -> Result<Budget, String> {
    let table = item.as_table_like().ok_or("budget is not a table")?;
    let mut budget = Budget::default();
    let (mut path, mut cap) = (None, None);
    for (key, item) in table.iter() {
        match key {
            "approvals_per_hour" => budget.approvals_per_hour = Some(whole(key, item)?),
            "amount" => path = Some(amount(item.as_str().unwrap_or_default())?),
            "amount_per_hour" => cap = Some(at_least_0(key, item)?),
            other => {
                return Err(format!(
                    "budget has no '{other}' (it has approvals_per_hour, amount, amount_per_hour)"
                ));
            }
        }
    }
    budget.amount_per_hour = match (path, cap) {
        (Some(path), Some(cap)) => Some((path, cap)),
        (None, None) => None,
        _ => return Err("amount and amount_per_hour go together".to_owned()),
    };
    Ok(budget)
}

fn people(item: &Item) -> Result<Second, String> {
    let table = item.as_table_like().ok_or("people is not a table")?;
    let (mut path, mut from) = (None, None);
    for (key, item) in table.iter() {
        match key {
            "amount" => path = Some(amount(item.as_str().unwrap_or_default())?),
            "second_from" => from = Some(at_least_0(key, item)?),
            other => return Err(format!("people has no '{other}' (it has amount, second_from)")),
        }
    }
    match (path, from) {
        (Some(amount), Some(from)) => Ok(Second { amount, from }),
        _ => Err("people needs both amount and second_from".to_owned()),
    }
}

fn at_least_0(key: &str, item: &Item) -> Result<Decimal, String> {
    let text = item.as_integer().map(|number| number.to_string());
    let text = text.or_else(|| item.as_str().map(str::to_owned)).unwrap_or_default();
    let number = crate::number::parse(&text).filter(|number| !number.is_sign_negative());
    number.ok_or_else(|| format!("{key} is not a whole number, or a number in quotes, of at least 0"))
}

fn lists(item: &Item) -> Result<BTreeMap<String, Fold>, String> {
    let table = item.as_table_like().ok_or("lists is not a table")?;
    let mut folds = BTreeMap::new();
    for (name, item) in table.iter() {
        let settings = item.as_table_like().ok_or_else(|| format!("lists.{name} is not a table"))?;
        for (key, item) in settings.iter() {
            let fold = match (key, item.as_str()) {
                ("fold", Some("case")) => Fold::Case,
                ("fold", _) => return Err(format!("fold of lists.{name} is not \"case\"")),
                (other, _) => return Err(format!("lists.{name} has no '{other}' (it has fold)")),
            };
            folds.insert(name.to_owned(), fold);
        }
    }
    Ok(folds)
}

fn amount(path: &str) -> Result<String, String> {
    let is_path = path.strip_prefix("order.").is_some_and(|rest| !rest.is_empty() && !rest.contains('['));
    if is_path { Ok(path.to_owned()) } else { Err(format!("'{path}' is not a fact such as order.amount")) }
}

fn whole(key: &str, item: &Item) -> Result<u64, String> {
    let number = item.as_integer().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| format!("{key} is not a whole number of at least 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back() {
        let text = "name = \"approval\"\ncombine = \"first-match\"\nmax_staleness_seconds = 900\n\
                    amounts = [\"order.amount\"]\n[budget]\napprovals_per_hour = 5\namount = \"order.amount\"\n\
                    amount_per_hour = \"1000.50\"\n";
        let (settings, findings) = parse("ruleset.toml", text);
        assert_eq!(findings, []);
        assert_eq!(settings.combine, Combine::FirstMatch);
        let cap = ("order.amount".to_owned(), Decimal::new(100_050, 2));
        assert_eq!(settings.budget, Budget { approvals_per_hour: Some(5), amount_per_hour: Some(cap) });
        let (settings, findings) = parse("ruleset.toml", "[lists.vip]\nfold = \"case\"\n");
        assert_eq!((settings.lists["vip"], findings), (Fold::Case, Vec::new()));
        for (text, message) in [
            ("people = 5", "people is not a table"),
            ("[people]\nsecond_from = 10", "people needs both amount and second_from"),
            ("[people]\nsecond = 10", "people has no 'second' (it has amount, second_from)"),
            (
                "[people]\nsecond_from = -1",
                "second_from is not a whole number, or a number in quotes, of at least 0",
            ),
            ("lists = 5", "lists is not a table"),
            ("[lists.vip]\nfold = \"none\"", "fold of lists.vip is not \"case\""),
            ("[lists.vip]\nflod = \"case\"", "lists.vip has no 'flod' (it has fold)"),
        ] {
            assert_eq!(parse("ruleset.toml", text).1[0].message, message);
        }
    }

    #[test]
    fn settings_mistakes_are_named() {
        let text = "name = \"My Rules\"\ncombine = \"all\"\ndefault = \"approve\"\nextra = 1\nbudget = { amount = \"order.a\" }\n";
        let (_, findings) = parse("ruleset.toml", text);
        let lines: Vec<String> = findings.iter().map(Diagnostic::one_line).collect();
        let expected = [
            "ruleset.toml:4:1: error[unknown-key]: there is no setting 'extra' (the settings here are name, combine, default, max_staleness_seconds, amounts, budget, people, lists)",
            "ruleset.toml:1:1: error[settings]: the name 'My Rules' is not lower-case words joined by '-'",
            "ruleset.toml:2:1: error[settings]: combine is 'all', not reject-overrides or first-match",
            "ruleset.toml:5:1: error[settings]: amount and amount_per_hour go together",
            "ruleset.toml:3:1: warning[default-approve]: a task that no rule decides is approved (the safe default is escalate)",
        ];
        assert_eq!(lines, expected);
    }
}
