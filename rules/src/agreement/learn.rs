//! What people's decisions teach, reason by reason: the conditions that are found, each with the evidence for it and
//! against it, and the files to paste.

use serde::Serialize;

use super::draft::{self, Draft, NoDraft};
use super::grid::Vote;
use super::money::Money;
use super::proof;
use super::reviewed::Answer;
use super::search::{Class, Condition};
use super::table::{Row, Table, Why};
use super::wanted::Wanted;
use crate::ruleset::Ruleset;
use crate::settings::Combine;
use crate::verdict::{Cause, Outcome};

/// A reason for which people decided fewer tasks teaches nothing.
const MIN_TASKS: usize = 50;
/// The most conditions of one reason and answer.
const MAX_CONDITIONS: usize = 3;

/// A condition under which people always decided alike, with the evidence for and against it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The code of the escalation that it would spare people.
    pub code: String,
    /// The rule that asks for a person today; none where no rule has an answer.
    pub rule: Option<String>,
    /// What people decide.
    pub answer: Answer,
    /// When, as a rule writes it.
    pub condition: String,
    /// How many decided tasks meet it.
    pub tasks: u64,
    /// How many of them people decided so.
    pub same: u64,
    /// Nobody decided otherwise.
    pub unanimous: bool,
    /// At 95 % confidence people agree in at least so many of a thousand tasks (Wilson's interval).
    pub agreement_permille: u64,
    /// How many of the tasks were held out: they were decided on later days than those the condition was found in.
    pub held_out: u64,
    /// How many of the held-out tasks people decided so.
    pub held_out_same: u64,
    /// The sum of what the tasks are about, where the ruleset names an amount.
    pub money: Option<Money>,
    /// The largest of these amounts. Nobody has decided a larger one yet.
    pub largest: Option<Money>,
    /// Every task that people decided otherwise, the largest first.
    pub counter_examples: Vec<CounterExample>,
    /// The files to paste.
    pub draft: Option<Draft>,
    /// Why there are none: the change is to be made by hand.
    pub by_hand: Option<String>,
}

/// A task that meets a condition and was decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterExample {
    /// The task's id.
    pub task_id: String,
    /// The order's id.
    pub order_id: String,
    /// The day of the decision, in UTC.
    pub day: String,
    /// What it is about, where the ruleset names an amount.
    pub money: Option<Money>,
}

/// Everything that people's decisions teach about a ruleset, and what to say of the rest.
pub(super) fn learn(ruleset: &Ruleset, table: &Table) -> (Vec<Proposal>, Vec<String>) {
    let mut notes = Vec::new();
    if ruleset.schema.is_none() {
        notes.push(
            "no proposals: they are conditions over the schema's facts, and the ruleset has no schema"
                .to_owned(),
        );
    }
    if table.left_out > 0 {
        let left_out = table.left_out;
        notes.push(format!("{left_out} decided tasks did not fit and were not used; choose fewer days"));
    }
    let mut proposals = Vec::new();
    for (why, members) in table.left.iter().filter(|(_, members)| members.len() >= MIN_TASKS) {
        for answer in Answer::ALL {
            let overrules = ruleset.settings().combine == Combine::RejectOverrides;
            // A rejection by a new rule overrules all other rules: every task counts.
            let rows = if *why == Why::NoRule && answer == Answer::Rejected && overrules {
                (0..table.rows.len()).collect()
            } else {
                // An approval cannot overrule another rule that asks for a person; a rejection can.
                let asked = members.iter().filter(|member| member.alone || answer == Answer::Rejected);
                asked.map(|member| member.row).collect()
            };
            let Some(mut class) = Class::new(table, rows, answer) else {
                continue;
            };
            for number in 1..=MAX_CONDITIONS {
                let Some(condition) = class.next(table, answer) else { break };
                let proposal = proposal(&class, ruleset, table, why, answer, &condition, number);
                proposals.extend(proposal);
                class.explain(&condition);
            }
        }
    }
    if ruleset.schema.is_some() && proposals.is_empty() {
        notes.push(
            "no proposals: no condition was met often enough and decided alike on earlier and later days"
                .to_owned(),
        );
    }
    proposals.sort_by(|a, b| (b.tasks, &a.code, &a.condition).cmp(&(a.tasks, &b.code, &b.condition)));
    (proposals, notes)
}

/// A condition as a proposal, with its files. None if it contradicts a `[[never]]`.
fn proposal(
    class: &Class,
    ruleset: &Ruleset,
    table: &Table,
    why: &Why,
    answer: Answer,
    condition: &Condition,
    number: usize,
) -> Option<Proposal> {
    let (rule, code) = match why {
        Why::NoRule => (None, Cause::NoRuleApproved.as_str().to_owned()),
        Why::Asks { rule, code } => (Some(rule.clone()), code.clone()),
    };
    let tests: Vec<_> = condition
        .atoms
        .iter()
        .map(|(scale, atom)| (&table.columns[class.scales[*scale].column], &atom.test))
        .collect();
    let text =
        tests.iter().map(|(column, test)| test.text(&column.expression)).collect::<Vec<_>>().join(" && ");
    let (met, others): (Vec<usize>, Vec<usize>) =
        (0..class.rows.len()).partition(|place| class.meets(condition, *place));
    let (agree, against): (Vec<usize>, Vec<usize>) = met.into_iter().partition(|place| class.agrees[*place]);
    let rows = |places: Vec<usize>| places.into_iter().map(|place| class.rows[place]).collect::<Vec<usize>>();
    let whole = class.count(condition, |place| class.vote(place));
    let later =
        class.count(condition, |place| if class.held_out[place] { class.vote(place) } else { Vote::Silent });
    let (inside, against) = (rows(agree), rows(against));
    let days = || inside.iter().map(|row| table.rows[*row].day);
    let (same, tasks) = (whole.agree, whole.tasks());
    let mut sum = Money::default();
    inside.iter().chain(&against).for_each(|row| sum.add(table.rows[*row].money));
    let largest = inside.iter().chain(&against).filter_map(|row| table.rows[*row].money).max();
    let wanted = Wanted {
        rule: rule.as_deref(),
        code: &code,
        outcome: match answer {
            Answer::Approved => Outcome::Approve,
            Answer::Rejected => Outcome::Reject,
        },
        number,
        condition: &text,
        tests,
        why: format!(
            "People {} {same} of {tasks} such tasks from {} to {}",
            answer.as_str(),
            days().min()?,
            days().max()?
        ),
        outside: rows(others),
        inside,
    };
    let (draft, by_hand) = match draft::draft(ruleset, table, &wanted) {
        Ok(draft) => (Some(draft), None),
        Err(NoDraft::Forbidden) => return None,
        Err(NoDraft::Because(why)) => (None, Some(why)),
    };
    Some(Proposal {
        condition: text.clone(),
        answer,
        tasks,
        same,
        unanimous: against.is_empty(),
        agreement_permille: proof::sure_permille(whole),
        held_out: later.tasks(),
        held_out_same: later.agree,
        money: table.amount.as_ref().map(|_| sum),
        largest,
        counter_examples: CounterExample::all(table, against),
        draft,
        by_hand,
        code: code.clone(),
        rule: rule.clone(),
    })
}

impl CounterExample {
    /// The largest first.
    fn all(table: &Table, rows: Vec<usize>) -> Vec<CounterExample> {
        let example = |row: usize| {
            let Row { task_id, order_id, day, money, .. } = &table.rows[row];
            CounterExample {
                task_id: task_id.clone(),
                order_id: order_id.clone(),
                day: day.to_string(),
                money: *money,
            }
        };
        let mut all: Vec<CounterExample> = rows.into_iter().map(example).collect();
        all.sort_by(|a, b| (b.money, &a.task_id).cmp(&(a.money, &b.task_id)));
        all
    }
}
