use super::*;

fn asked(params: &[(&str, &str)]) -> Result<list::Query, String> {
    let mut all = ListParams::default();
    for (name, value) in params {
        let field = match *name {
            "status" => &mut all.status,
            "order_id" => &mut all.order_id,
            "day" => &mut all.day,
            "due_before" => &mut all.due_before,
            other => panic!("{other}"),
        };
        *field = Some((*value).to_owned());
    }
    query(&all).map_err(|failure| match failure {
        Failure::Invalid(why) => why,
        other => panic!("{other:?}"),
    })
}

#[test]
fn parameters_mean_one_query() {
    let open = |lists: &[Worklist], before| Ok(list::Query::Open { lists: lists.to_vec(), before });
    assert_eq!(asked(&[]), open(&Worklist::ALL, None));
    assert_eq!(asked(&[("status", "ESCALATED")]), open(&[Worklist::Escalated], None));
    assert_eq!(asked(&[("status", "DUE, VERIFY,DUE")]), open(&[Worklist::Due, Worklist::Verify], None));
    assert_eq!(asked(&[("due_before", "1970-01-01T00:01:00Z")]), open(&[Worklist::Escalated], Some(60)));
    assert_eq!(asked(&[("order_id", "o-1")]), Ok(list::Query::Order("o-1".to_owned())));
    let settled = |status| Ok(list::Query::Settled { day: "2026-11-22".to_owned(), status });
    assert_eq!(asked(&[("day", "2026-11-22")]), settled(None));
    assert_eq!(asked(&[("day", "2026-11-22"), ("status", "FAILED")]), settled(Some(Status::Failed)));
}

#[test]
fn parameters_that_contradict_are_refused_with_a_remedy() {
    for (params, remedy) in [
        (&[("status", "APPROVED")][..], "day=2026-11-22&status=APPROVED"),
        (&[("status", "escalated")], "ESCALATED"),
        (&[("status", "")], "PENDING"),
        (&[("day", "20261122")], "2026-11-22"),
        (&[("day", "2026-02-30")], "2026-11-22"),
        (&[("day", "2026-11-22"), ("status", "DUE")], "APPROVED"),
        (&[("day", "2026-11-22"), ("due_before", "2026-11-22T00:00:00Z")], "omit due_before"),
        (&[("due_before", "tomorrow")], "RFC 3339"),
        (&[("due_before", "2026-11-22T00:00:00Z"), ("status", "PENDING")], "status=ESCALATED"),
        (&[("order_id", "o"), ("status", "DUE")], "cannot be combined"),
        (&[("order_id", "")], "1 to 1024"),
        (&[("order_id", &"o".repeat(1_025))], "1 to 1024"),
    ] {
        let why = asked(params).expect_err("contradictory");
        assert!(why.contains(remedy), "{params:?}: {why}");
    }
}
