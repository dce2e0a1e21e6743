//! Sample orders as a shop would send them, each with what the sample rules (`rules/scripts`) must make of it.

use fastrand::Rng;
use serde_json::{Value, json};

/// An order and its expected end.
#[derive(Debug, Clone)]
pub struct SampleOrder {
    /// The order's id.
    pub id: String,
    /// What is special about it.
    pub story: Story,
    /// What the workflow is started with.
    pub input: Value,
}

/// How a task must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The workflow goes on.
    Approved,
    /// The workflow takes its rejected path.
    Rejected,
    /// The task waits for a person.
    Escalated,
}

/// What is special about an order. Each has exactly one expected end and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`Story::words` says what each is")]
pub enum Story {
    SmallKnown,
    Sanctioned,
    OverLimit,
    NewCustomer,
    EmptyBasket,
    WrongTotal,
    Unvetted,
    Middling,
    NoCurrency,
    ManyLines,
    SanctionedBooks,
}

impl Story {
    /// Every story; the first three cover the three ends.
    pub const ALL: [Story; 11] = [
        Story::SmallKnown,
        Story::Sanctioned,
        Story::OverLimit,
        Story::NewCustomer,
        Story::EmptyBasket,
        Story::WrongTotal,
        Story::Unvetted,
        Story::Middling,
        Story::NoCurrency,
        Story::ManyLines,
        Story::SanctionedBooks,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Story::SmallKnown => "small order of a known customer",
            Story::Sanctioned => "restricted goods to a sanctioned country",
            Story::OverLimit => "above the tier's limit",
            Story::NewCustomer => "new customer",
            Story::EmptyBasket => "no lines",
            Story::WrongTotal => "lines do not add up",
            Story::Unvetted => "restricted goods, customer not vetted",
            Story::Middling => "known customer, middling amount",
            Story::NoCurrency => "no currency",
            Story::ManyLines => "unusually many lines",
            Story::SanctionedBooks => "harmless goods to a sanctioned country",
        }
    }

    /// How it must end, and the code of the decision or the escalation.
    pub fn expected(self) -> (End, &'static str) {
        match self {
            Story::SmallKnown => (End::Approved, "small-order"),
            Story::Sanctioned => (End::Rejected, "sanctioned-country"),
            Story::OverLimit => (End::Escalated, "over-tier-limit"),
            Story::NewCustomer => (End::Escalated, "new-customer"),
            Story::EmptyBasket => (End::Rejected, "empty-order"),
            Story::WrongTotal => (End::Escalated, "inconsistent-total"),
            Story::Unvetted => (End::Escalated, "restricted-goods"),
            Story::Middling => (End::Escalated, "no-rule-approved"),
            Story::NoCurrency => (End::Escalated, "invalid-task"),
            Story::ManyLines => (End::Escalated, "unusual-size"),
            Story::SanctionedBooks => (End::Escalated, "sanctioned-destination"),
        }
    }

    /// Its share of a shop's orders; most need nobody's time.
    fn weight(self) -> usize {
        match self {
            Story::SmallKnown => 50,
            Story::Sanctioned => 12,
            Story::OverLimit => 9,
            Story::NewCustomer => 9,
            Story::EmptyBasket => 4,
            Story::WrongTotal => 4,
            Story::Unvetted => 4,
            Story::Middling => 5,
            Story::NoCurrency => 3,
            Story::ManyLines => 3,
            Story::SanctionedBooks => 2,
        }
    }
}

/// The first `count` orders of a seed: one of each story, then by their shares.
pub fn sample(count: usize, seed: u64) -> Vec<SampleOrder> {
    let mut rng = Rng::with_seed(seed);
    let shares: Vec<Story> =
        Story::ALL.into_iter().flat_map(|story| std::iter::repeat_n(story, story.weight())).collect();
    let stories = Story::ALL.into_iter().map(Some).chain(std::iter::repeat(None));
    (0..count)
        .zip(stories)
        .map(|(number, story)| {
            let story = story.unwrap_or_else(|| shares[rng.usize(..shares.len())]);
            let id = format!("order-{seed}-{number:04}");
            SampleOrder { input: input(&id, story, &mut rng), id, story }
        })
        .collect()
}

const TIERS: [&str; 3] = ["bronze", "silver", "gold"];
/// Each currency's limits by tier, in cents, as `params/limits.toml` has them.
const LIMITS: [(&str, [u32; 3]); 3] = [
    ("EUR", [100_000, 500_000, 1_000_000]),
    ("GBP", [85_000, 425_000, 850_000]),
    ("USD", [110_000, 550_000, 1_100_000]),
];
const GOODS: [(&str, &str); 5] = [
    ("BK-1042", "books"),
    ("KT-0007", "kitchen"),
    ("GD-2210", "garden"),
    ("TY-0815", "toys"),
    ("SH-4711", "shoes"),
];
const RESTRICTED: [(&str, &str); 3] =
    [("LS-9000", "lasers"), ("CH-0064", "chemicals"), ("WP-0003", "weapons")];

fn input(id: &str, story: Story, rng: &mut Rng) -> Value {
    let (currency, limits) = LIMITS[rng.usize(..3)];
    let tier = match story {
        // A vetted customer would be gold.
        Story::Unvetted => rng.usize(..2),
        _ => rng.usize(..3),
    };
    let limit = limits[tier];
    let tenth = limit / 10;
    let cents = match story {
        Story::OverLimit => rng.u32(limit + 1..=limit * 3),
        Story::Middling => rng.u32(tenth + 1..=limit),
        Story::SmallKnown
        | Story::EmptyBasket
        | Story::Sanctioned
        | Story::NewCustomer
        | Story::WrongTotal
        | Story::Unvetted
        | Story::NoCurrency
        | Story::ManyLines
        | Story::SanctionedBooks => rng.u32(500..=tenth),
    };
    let goods: &[(&str, &str)] = match story {
        Story::Sanctioned | Story::Unvetted => &RESTRICTED,
        _ => &GOODS,
    };
    let country = match story {
        Story::Sanctioned | Story::SanctionedBooks => ["IR", "KP", "SY"][rng.usize(..3)],
        _ => ["DE", "FR", "NL", "GB", "US"][rng.usize(..5)],
    };
    let age_days = match story {
        Story::NewCustomer => rng.u32(..90),
        _ => rng.u32(90..3_000),
    };
    // The last line of a basket takes what the others left.
    let most = if story == Story::ManyLines { 6 } else { rng.u32(0..=2) };
    let told = if story == Story::WrongTotal { cents + rng.u32(1..=500) } else { cents };
    let mut order = json!({
        "orderId": id,
        "amount": money(told),
        "currency": currency,
        "customer": { "id": format!("c-{}", rng.u32(1_000..9_999)), "tier": TIERS[tier], "country": country, "ageDays": age_days },
        "items": if story == Story::EmptyBasket { vec![] } else { lines(cents, most, goods, rng) },
    });
    if let (Story::NoCurrency, Some(fields)) = (story, order.as_object_mut()) {
        fields.remove("currency");
    }
    order
}

/// At most `most` lines and one more, that add up.
fn lines(cents: u32, most: u32, goods: &[(&str, &str)], rng: &mut Rng) -> Vec<Value> {
    let mut left = cents;
    let mut lines = Vec::new();
    for _ in 0..most {
        let (sku, category) = goods[rng.usize(..goods.len())];
        // Small enough that something is left for all that follow.
        let (quantity, price) = (rng.u32(1..=3), rng.u32(1..=left / 24));
        left -= price * quantity;
        lines.push(json!({ "sku": sku, "category": category, "quantity": quantity, "price": money(price) }));
    }
    let (sku, category) = goods[rng.usize(..goods.len())];
    lines.push(json!({ "sku": sku, "category": category, "quantity": 1, "price": money(left) }));
    lines
}

/// A JSON number with two decimals; short enough that even the emulator's floats keep it.
fn money(cents: u32) -> Value {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    serde_json::from_str(&text).expect("digits and a point are a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_orders() {
        let inputs = |seed| sample(200, seed).into_iter().map(|order| order.input).collect::<Vec<_>>();
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }

    #[test]
    fn a_few_orders_already_cover_every_end_and_some_more_every_story() {
        let few: Vec<End> = sample(3, 1).iter().map(|order| order.story.expected().0).collect();
        assert_eq!(few, [End::Approved, End::Rejected, End::Escalated]);
        let more: Vec<Story> = sample(Story::ALL.len(), 1).iter().map(|order| order.story).collect();
        assert_eq!(more, Story::ALL);
    }

    #[test]
    fn the_sample_rules_make_of_each_order_what_its_story_says() {
        let rules = rules::Ruleset::load(std::path::Path::new("../rules/scripts")).unwrap();
        for order in sample(2_000, 5) {
            let text = order.input.to_string();
            let verdict = rules
                .evaluate(&rules::TaskFacts {
                    order: Some(&text),
                    order_id: &order.id,
                    start_time: "2026-11-22T10:00:00Z",
                    transaction_id: "arn:e",
                    received_at: "2026-11-22T10:00:00Z",
                })
                .verdict;
            let end = match verdict.outcome() {
                rules::Outcome::Approve => End::Approved,
                rules::Outcome::Reject => End::Rejected,
                rules::Outcome::Escalate => End::Escalated,
            };
            assert_eq!((end, verdict.code()), order.story.expected(), "{text}: {}", verdict.text());
        }
    }

    /// Money of an order in cents, exactly.
    fn cents(value: &Value) -> u64 {
        value.to_string().replace('.', "").parse().unwrap()
    }

    #[test]
    fn lines_add_up_unless_the_story_says_otherwise() {
        for order in sample(2_000, 3) {
            let items = order.input["items"].as_array().unwrap();
            let total: u64 =
                items.iter().map(|item| cents(&item["price"]) * item["quantity"].as_u64().unwrap()).sum();
            let adds_up = total == cents(&order.input["amount"]);
            let differs = matches!(order.story, Story::WrongTotal | Story::EmptyBasket);
            assert_eq!(adds_up, !differs, "{}", order.input);
        }
    }
}
