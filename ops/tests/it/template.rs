//! What the template promises: projections without secrets, exact permissions, queues that lose nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use statemachine::task::{attribute, index};
use statemachine::workflow;

use crate::yaml::template;

fn properties(resource: &str) -> Value {
    template()["Resources"][resource]["Properties"].clone()
}

fn of_type(kind: &str) -> Vec<(String, Value)> {
    let resources = template()["Resources"].as_object().unwrap().clone();
    resources.into_iter().filter(|(_, resource)| resource["Type"] == kind).collect()
}

fn default(parameter: &str) -> u64 {
    template()["Parameters"][parameter]["Default"].as_u64().unwrap()
}

pub(crate) fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => BTreeSet::from([text.clone()]),
        _ => value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
    }
}

/// The statements of a role, those behind a condition too.
pub(crate) fn statements(role: &str) -> Vec<Value> {
    let policies = properties(role)["Policies"].as_array().unwrap().clone();
    let statements =
        policies.iter().flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap().clone());
    statements
        .map(|statement| statement.get("Fn::If").map_or(statement.clone(), |branches| branches[1].clone()))
        .collect()
}

/// What a role may do without keys of the customer's.
fn actions(role: &str) -> BTreeSet<String> {
    let actions = statements(role).into_iter().flat_map(|statement| texts(&statement["Action"]));
    actions.filter(|action| !action.starts_with("kms:")).collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_definition_is_the_one_of_the_contract() {
    let machine = properties("StateMachine");
    assert_eq!(machine["DefinitionString"], workflow::TEMPLATE);
    let substitutions: BTreeSet<String> =
        machine["DefinitionSubstitutions"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(substitutions, set(&[workflow::QUEUE_URL, workflow::TIMEOUT_SECONDS]));
}

#[test]
fn ingest_may_do_exactly_this() {
    let (hints, always): (Vec<Value>, Vec<Value>) =
        statements("IngestRole").into_iter().partition(|statement| statement["Sid"] == "SendHints");
    let may = always.iter().flat_map(|statement| texts(&statement["Action"]));
    assert_eq!(
        may.filter(|action| !action.starts_with("kms:")).collect::<BTreeSet<String>>(),
        set(&[
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "dynamodb:PutItem",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ])
    );
    // With hints it has one action more, on their queue.
    let [hints] = &hints[..] else { panic!("{hints:?}") };
    assert_eq!(
        (&hints["Action"], &hints["Resource"]["Fn::GetAtt"]),
        (&json!("sqs:SendMessage"), &json!("HintsQueue.Arn"))
    );
}

#[test]
fn without_hints_nothing_of_them_is_there() {
    let behind = |role: &str, sid: &str| {
        let policy = &properties(role)["Policies"][0]["PolicyDocument"]["Statement"];
        let statements = policy.as_array().unwrap().clone();
        let mut conditional = statements.iter().filter_map(|statement| statement.get("Fn::If"));
        conditional.any(|branches| branches[0] == "HasHints" && branches[1]["Sid"] == sid)
    };
    assert!(behind("IngestRole", "SendHints") && behind("WorkerRole", "ReceiveHints"));
    assert_eq!(template()["Resources"]["HintsQueue"]["Condition"], "HasHints");
    assert_eq!(template()["Outputs"]["HintsQueueUrl"]["Condition"], "HasHints");
    let variables = &properties("IngestFunction")["Environment"]["Variables"];
    assert_eq!(variables["HINTS_QUEUE_URL"]["Fn::If"][0], "HasHints");
    assert_eq!(template()["Parameters"]["WakeUp"]["Default"], "false");
}

/// Nothing of notices is there without the parameter, and what a mail has is the event's own text.
#[test]
fn people_are_told_only_when_asked_for() {
    let statements =
        template()["Resources"]["WorkerRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
            .clone();
    let of_notices = |branches: &Value| branches[0] == "HasNotices" && branches[1]["Sid"] == "PublishNotices";
    assert!(statements.as_array().unwrap().iter().any(|statement| of_notices(&statement["Fn::If"])));
    for (resource, condition) in [
        ("NoticesBus", "HasNotices"),
        ("NoticesTopic", "HasNoticesEmail"),
        ("NoticesTopicPolicy", "HasNoticesEmail"),
        ("NoticesRule", "HasNoticesEmail"),
        ("EventsEndpoint", "HasNoticesEndpoint"),
    ] {
        assert_eq!(template()["Resources"][resource]["Condition"], condition, "{resource}");
    }
    assert_eq!(template()["Parameters"]["Notices"]["Default"], "false");
    assert_eq!(template()["Parameters"]["NoticesEmail"]["Default"], "");
    let rule = properties("NoticesRule");
    assert_eq!(rule["EventPattern"], json!({"source": ["countersign"]}));
    let mail = &rule["Targets"][0]["InputTransformer"];
    assert_eq!(mail["InputPathsMap"], json!({"text": "$.detail.text"}));
    assert_eq!(mail["InputTemplate"], "\"<text>\"");
}

#[test]
fn workers_may_do_exactly_this() {
    let read = ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query"];
    let stream = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];
    let write = ["dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:DeleteItem"];
    let workflows = ["states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat"];
    let ask = ["states:DescribeExecution", "states:GetExecutionHistory"];
    let hear = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    let log = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
    let others = ["events:PutEvents", "s3:GetObject"];
    let expected = [&read[..], &stream, &write, &workflows, &ask, &hear, &log, &others].concat();
    assert_eq!(actions("WorkerRole"), set(&expected));

    // A task is moved, never replaced and never deleted; of the control table nothing but its items is asked.
    for (sid, never) in [
        ("ReadAndMoveTasks", &["dynamodb:PutItem", "dynamodb:DeleteItem"][..]),
        ("Coordinate", &["dynamodb:DescribeTable"]),
    ] {
        let statement =
            statements("WorkerRole").into_iter().find(|statement| statement["Sid"] == sid).unwrap();
        assert!(texts(&statement["Action"]).is_disjoint(&set(never)), "{sid}");
    }
}

#[test]
fn no_permission_is_for_everything() {
    for role in ["IngestRole", "StateMachineRole", "WorkerRole"] {
        for statement in statements(role) {
            assert_eq!(statement["Effect"], "Allow");
            assert!(!statement["Action"].to_string().contains('*'), "{role}: {statement}");
            assert_ne!(statement["Resource"], "*", "{role}: {statement}");
            // Only SendTask* may be widened, by a parameter.
            if statement["Resource"].get("Fn::If").is_some() {
                assert_eq!(statement["Resource"]["Fn::If"][0], "MayAnswerAll", "{role}: {statement}");
                assert_eq!(statement["Sid"], "AnswerWorkflows");
            }
        }
    }
}

#[test]
fn an_index_shows_neither_the_token_nor_the_order() {
    let table = properties("TasksTable");
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    let names: Vec<&str> = indexes.iter().map(|index| index["IndexName"].as_str().unwrap()).collect();
    assert_eq!(names, [index::WORKLIST, index::BY_ORDER, index::BY_TRANSACTION]);

    assert_eq!(indexes[0]["Projection"]["ProjectionType"], "INCLUDE");
    let shown = texts(&indexes[0]["Projection"]["NonKeyAttributes"]);
    for hidden in
        [attribute::TASK_TOKEN, attribute::ORDER, attribute::EVALUATION, attribute::PACKED_EVALUATION]
    {
        assert!(!shown.contains(hidden), "{hidden}");
    }
    for index in &indexes[1..] {
        assert_eq!(index["Projection"], json!({"ProjectionType": "KEYS_ONLY"}));
    }
}

#[test]
fn keys_are_attributes_of_a_task() {
    let table = properties("TasksTable");
    let keys = |schema: &Value| -> Vec<String> {
        schema
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["AttributeName"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(keys(&table["KeySchema"]), [attribute::TASK_ID]);
    let indexes: Vec<_> = table["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| keys(&index["KeySchema"]))
        .collect();
    assert_eq!(indexes[0], [attribute::LIST, attribute::LIST_AT]);
    assert_eq!(indexes[1], [attribute::ORDER_ID, attribute::START_TIME]);
    assert_eq!(indexes[2], [attribute::TRANSACTION_ID, attribute::START_TIME]);
    assert_eq!(table["StreamSpecification"], json!({"StreamViewType": "NEW_IMAGE"}));
}

#[test]
fn tables_are_kept_safe() {
    let tables = of_type("AWS::DynamoDB::Table");
    assert_eq!(tables.len(), 2);
    for (name, table) in tables {
        assert_eq!(table["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        let table = &table["Properties"];
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
        let protection = json!({"Fn::If": ["IsDeletionProtected", true, false]});
        assert_eq!(table["DeletionProtectionEnabled"], protection);
        assert_eq!(table["PointInTimeRecoverySpecification"], json!({"PointInTimeRecoveryEnabled": true}));
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
        let ttl = json!({"AttributeName": attribute::EXPIRES_AT, "Enabled": true});
        assert_eq!(table["TimeToLiveSpecification"], ttl);
    }
    // A creation that fails must be able to delete the tables; the guide protects them with the workers.
    assert_eq!(template()["Parameters"]["DeletionProtection"]["Default"], "false");
}

#[test]
fn a_message_outlives_a_slow_function() {
    assert!(default("QueueVisibilitySeconds") >= 6 * default("IngestTimeoutSeconds"));
    // Hours for an outage, and less than the queue keeps a message: it would be lost, not dead-lettered.
    let retries_s = default("QueueMaxReceiveCount") * default("QueueVisibilitySeconds");
    assert!(retries_s >= 3 * 3_600);
    assert!(retries_s < properties("TaskQueue")["MessageRetentionPeriod"].as_u64().unwrap() / 2);
    assert_eq!(properties("IngestFunction")["Timeout"], json!({"Ref": "IngestTimeoutSeconds"}));
    assert_eq!(properties("TaskQueue")["VisibilityTimeout"], json!({"Ref": "QueueVisibilitySeconds"}));
    assert_eq!(properties("IngestMapping")["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
}

#[test]
fn dead_letters_stay_longer_than_their_queue_keeps_them() {
    for (queue, dead) in
        [("TaskQueue", "TaskDeadLetterQueue"), ("ClosedExecutionsQueue", "ClosedExecutionsDeadLetterQueue")]
    {
        let target = &properties(queue)["RedrivePolicy"]["deadLetterTargetArn"];
        assert_eq!(*target, json!({"Fn::GetAtt": format!("{dead}.Arn")}));
        let retention = |queue: &str| properties(queue)["MessageRetentionPeriod"].as_u64().unwrap();
        assert_eq!(retention(dead), 14 * 86_400);
        assert!(retention(queue) < retention(dead));
    }
    for (name, queue) in of_type("AWS::SQS::Queue") {
        // A hint has only ids.
        let managed = match name.as_str() {
            "HintsQueue" => json!(true),
            _ => json!({"Fn::If": ["HasQueuesKey", {"Ref": "AWS::NoValue"}, true]}),
        };
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], managed, "{name}");
    }
}

#[test]
fn an_event_of_a_closed_execution_carries_its_arn_and_status_alone() {
    let rule = properties("ClosedExecutionsRule");
    assert_eq!(rule["EventPattern"]["detail"]["status"], json!(["ABORTED", "TIMED_OUT", "FAILED"]));
    assert_eq!(rule["EventPattern"]["detail"]["stateMachineArn"][0], json!({"Ref": "StateMachine"}));
    let transformer = &rule["Targets"][0]["InputTransformer"];
    assert_eq!(
        transformer["InputPathsMap"],
        json!({"executionArn": "$.detail.executionArn", "status": "$.detail.status"})
    );
    assert_eq!(transformer["InputTemplate"], r#"{"executionArn": <executionArn>, "status": <status>}"#);
}

#[test]
fn machines_are_only_made_when_asked_for() {
    for kind in ["AWS::EC2::LaunchTemplate", "AWS::AutoScaling::AutoScalingGroup"] {
        for (name, resource) in of_type(kind) {
            assert_eq!(resource["Condition"], "HasWorkers", "{name}");
        }
    }
    assert_eq!(default("WorkerCount"), 0);
}

/// A function that is newer than a worker may store what that worker does not know.
#[test]
fn the_function_is_updated_after_the_workers() {
    let updated_after = &template()["Resources"]["IngestFunction"]["Metadata"]["updatedAfter"]["Fn::If"];
    assert_eq!(*updated_after, json!(["HasWorkers", {"Ref": "WorkerGroup"}, "nothing"]));
    let policy = &template()["Resources"]["WorkerGroup"]["UpdatePolicy"]["AutoScalingRollingUpdate"];
    assert_eq!(policy["WaitOnResourceSignals"], true);
}

#[test]
fn a_fleet_that_reads_nothing_is_silent() {
    let alarm = template()["Resources"]["FleetSilentAlarm"].clone();
    // Before the first worker is ready, and while the last one leaves, silence is no alarm.
    assert_eq!(alarm["Condition"], "HasWorkers");
    assert_eq!(alarm["DependsOn"], "WorkerGroup");
    let properties = &alarm["Properties"];
    // A dead fleet sends no data at all.
    assert_eq!(properties["TreatMissingData"], "breaching");
    assert_eq!(properties["ComparisonOperator"], "LessThanThreshold");
    assert_eq!(
        properties["Dimensions"],
        json!([
            {"Name": "TableName", "Value": {"Ref": "ControlTable"}},
            // A worker that ends at its start only reads.
            {"Name": "Operation", "Value": "PutItem"},
        ])
    );
}

#[test]
fn every_alarm_has_its_paragraph_in_the_runbook() {
    let runbook = include_str!("../../README.md");
    for (name, alarm) in of_type("AWS::CloudWatch::Alarm") {
        assert!(runbook.contains(&format!("### {name}\n")), "{name}");
        assert_eq!(alarm["Properties"]["AlarmActions"][0]["Fn::If"][0], "HasAlarmTopic", "{name}");
    }
}

#[test]
fn a_stream_that_nobody_reads_is_an_alarm() {
    let alarm = template()["Resources"]["StreamNotReadAlarm"].clone();
    assert_eq!(alarm["Condition"], "HasWorkers");
    assert_eq!(alarm["DependsOn"], "WorkerGroup");
    // A stream that is off has no readers, and so no data.
    assert_eq!(alarm["Properties"]["TreatMissingData"], "breaching");
    let query = alarm["Properties"]["Metrics"][0]["Expression"]["Fn::Sub"].as_str().unwrap();
    assert!(query.contains("Operation = 'GetRecords' AND TableName = '${TasksTable}'"), "{query}");
}

#[test]
fn the_dashboard_shows_what_the_template_creates() {
    let body = properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().unwrap().to_owned();
    let names = body.split("${").skip(1).map(|rest| rest.split('}').next().unwrap());
    let resources = template()["Resources"].clone();
    for name in names.filter(|name| !name.starts_with("AWS::")) {
        assert!(resources.get(name.split('.').next().unwrap()).is_some(), "{name}");
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    // An alarm that exists only with workers cannot be named.
    let alarms =
        of_type("AWS::CloudWatch::Alarm").into_iter().filter(|(_, alarm)| alarm.get("Condition").is_none());
    let alarms: BTreeSet<String> = alarms.map(|(name, _)| format!("${{{name}.Arn}}")).collect();
    assert_eq!(texts(&widgets[0]["properties"]["alarms"]), alarms);
    for widget in &widgets[1..] {
        assert!(!widget["properties"]["metrics"].as_array().unwrap().is_empty(), "{widget}");
    }
}
