use super::*;

const ARN: &str = "arn:aws:states:us-east-1:123456789012:execution:shop:e";
const TOKEN: &str = "AAAAKgAAAAIAAAAA/secret+token==";
const MINIMAL: &str = concat!(
    r#"{"transactionId":"arn:aws:states:us-east-1:123456789012:execution:shop:e","#,
    r#""taskToken":"AAAAKgAAAAIAAAAA/secret+token==","#,
    r#""startTime":"2026-11-22T10:00:00Z","orderId":"o-1"}"#
);

/// Why a body is refused; the reason never quotes the token.
fn refusal(body: &str) -> String {
    let error = Message::parse(body).unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
    error
}

#[test]
fn the_original_message_is_a_full_citizen() {
    let message = Message::parse(MINIMAL).unwrap();
    assert_eq!((message.order_id.as_str(), message.order, message.timeout_seconds), ("o-1", None, None));
}

#[test]
fn an_order_keeps_its_very_text() {
    let body = MINIMAL
        .replace('}', r#","order":{"amount": 100.00,"n":1234567890123456789012},"timeoutSeconds":120}"#);
    let message = Message::parse(&body).unwrap();
    assert_eq!(message.order.as_deref(), Some(r#"{"amount": 100.00,"n":1234567890123456789012}"#));
    assert_eq!(message.timeout_seconds, Some(120));
}

#[test]
fn a_numeric_order_id_keeps_its_digits() {
    let message = Message::parse(&MINIMAL.replace("\"o-1\"", "12345678901234567890123")).unwrap();
    assert_eq!(message.order_id, "12345678901234567890123");
}

#[test]
fn a_key_of_a_library_is_a_plain_key() {
    let number = MINIMAL.replace("\"o-1\"", r#"{"$serde_json::private::Number":"5"}"#);
    let error = Message::parse(&number).unwrap_err();
    assert_eq!(error.to_string(), "field orderId is not a string or a number");
    for order in
        [r#"{"$serde_json::private::RawValue":"1"}"#, r#"{"a":{"$serde_json::private::Number":"5"}}"#]
    {
        let message = Message::parse(&MINIMAL.replace('}', &format!(",\"order\":{order}}}"))).unwrap();
        assert_eq!(message.order.as_deref(), Some(order));
    }
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    for (twice, name) in [
        (r#","order":{"amount":9000},"order":{"amount":40}}"#, "order"),
        (r#","\u006frderId":"o-2"}"#, "orderId"),
        (r#","timeoutSeconds":null,"timeoutSeconds":5}"#, "timeoutSeconds"),
    ] {
        let error = Message::parse(&MINIMAL.replace('}', twice)).unwrap_err();
        assert_eq!(error.to_string(), format!("field {name} is there twice"));
    }
    // Of others nothing is read; and what an order says twice is for its rules to judge.
    let other = MINIMAL.replace('}', r#","x":1,"x":2,"order":{"a":1,"a":2}}"#);
    let message = Message::parse(&other).unwrap();
    assert_eq!(message.order.as_deref(), Some(r#"{"a":1,"a":2}"#));
    assert_eq!(message.unknown_fields, ["x"]);
}

#[test]
fn unknown_fields_are_named() {
    let message = Message::parse(&MINIMAL.replace('}', r#","oder":{}}"#)).unwrap();
    assert_eq!(message.unknown_fields, ["oder"]);
}

#[test]
fn a_token_in_a_field_that_is_shown_is_refused_without_being_quoted() {
    assert!(Message::parse(&MINIMAL.replace('}', &format!(r#","order":"{TOKEN}"}}"#))).is_ok());
    for (name, value) in
        [("transactionId", "shop:e"), ("startTime", "2026-11-22T10:00:00Z"), ("orderId", "o-1")]
    {
        for misplaced in [
            format!("shop:{TOKEN}"),
            format!("shop:x-{TOKEN}"),
            format!("shop:{}", TOKEN.replace('/', "\\/")),
        ] {
            let expected = format!("field {name} holds the task token; correct the workflow's MessageBody");
            assert_eq!(refusal(&MINIMAL.replace(value, &misplaced)), expected);
        }
    }
}

#[test]
fn every_refusal_names_the_field_and_never_the_value() {
    for (body, expected) in [
        ("", "the body is not JSON: error at line 1, column 0"),
        ("{\"taskToken\":\"secret\"", "the body is not JSON: error at line 1, column 21"),
        ("[\"secret\"]", "the body is not a JSON object"),
        ("[]", "the body is not a JSON object"),
        ("\"secret\"", "the body is not a JSON object"),
        ("{}", "field transactionId is missing"),
        (&MINIMAL.replace(&format!("\"{TOKEN}\""), "null"), "field taskToken is missing"),
        (&MINIMAL.replace("\"o-1\"", "{\"x\":\"secret\"}"), "field orderId is not a string or a number"),
        (&MINIMAL.replace("o-1", ""), "field orderId is not 1 to 1024 bytes long"),
        (&MINIMAL.replace("o-1", &"x".repeat(1_025)), "field orderId is not 1 to 1024 bytes long"),
    ] {
        assert_eq!(refusal(body), expected, "{body}");
    }
}

#[test]
fn what_cannot_be_a_token_is_refused_with_a_hint() {
    for value in
        ["\"\"", "\"secret\"", "[\"secret\"]", "5", "{}", &format!("\"{ARN}\""), "\"Context.Task.Token\""]
    {
        let reason = refusal(&MINIMAL.replace(&format!("\"{TOKEN}\""), value));
        assert!(reason.starts_with("field taskToken is not a task token,"), "{value}: {reason}");
        assert!(reason.contains("$$.Task.Token (JSONPath)"), "{reason}");
    }
}

#[test]
fn an_expression_that_was_not_evaluated_is_no_value() {
    for (name, value) in [
        ("taskToken", "$$.Task.Token"),
        ("taskToken", "$.token-of-the-task"),
        ("taskToken", "{% $states.context.Task.Token %}"),
        ("transactionId", "$$.Execution.Id"),
        ("startTime", "$$.State.EnteredTime"),
        ("orderId", "$.orderId"),
        ("orderId", " $['orderId']"),
        ("orderId", "States.Format('{}', $.orderId)"),
        ("orderId", "$states.input.orderId"),
        ("order", "$$.Execution.Input"),
        ("order", "$"),
        ("timeoutSeconds", "$.timeout"),
    ] {
        let mut message: serde_json::Value = serde_json::from_str(MINIMAL).unwrap();
        message[name] = value.into();
        let reason = refusal(&message.to_string());
        assert!(
            reason.starts_with(&format!("field {name} holds an expression instead of its value:")),
            "{reason}"
        );
    }
    // A dollar sign alone makes no expression.
    let message = Message::parse(&MINIMAL.replace("o-1", "$5 off")).unwrap();
    assert_eq!(message.order_id, "$5 off");
}

#[test]
fn a_field_of_another_spelling_is_named() {
    for found in ["TaskToken", "task_token", "taskToken.$", "tasktoken"] {
        let expected = format!(
            "field taskToken is missing; the message has {found} instead: correct the workflow's MessageBody"
        );
        assert_eq!(refusal(&MINIMAL.replace("taskToken", found)), expected);
    }
    assert_eq!(refusal(&MINIMAL.replace("taskToken", "taskToken______")), "field taskToken is missing");
}

#[test]
fn only_an_execution_that_can_wait_has_an_approval() {
    for arn in [
        ARN,
        "arn:aws-us-gov:states:us-gov-west-1:1:execution:shop:e",
        "arn:aws:states:us-east-1:123456789012:execution:shop/EachOrder:5b0c1a52-3a9d-4a9b-8a7e-0d4c9a3b1f00",
        "arn:aws:states:us-east-1:123456789012:execution:Läden:Ä",
    ] {
        assert_eq!(Message::parse(&MINIMAL.replace(ARN, arn)).unwrap().transaction_id, arn);
    }
    let express = "arn:aws:states:us-east-1:123456789012:express:shop:e:5b0c1a52";
    let expected =
        "field transactionId is an execution of an Express workflow, which cannot wait for a task token";
    assert_eq!(refusal(&MINIMAL.replace(ARN, express)), expected);
    for other in [
        "5b0c1a52-3a9d-4a9b-8a7e-0d4c9a3b1f00",
        "arn:aws:states:us-east-1:123456789012:stateMachine:shop",
        "arn:aws:states:us-east-1:123456789012:mapRun:shop/EachOrder:5b0c1a52",
        "arn:aws:states:us-east-1:123456789012:execution:shop",
        "arn:aws:states:us-east-1:123456789012:execution:shop:",
        "arn:aws:states:us-east-1:123456789012:execution:shop:e:more",
        "arn:aws:states:us-east-1:secret:execution:shop:e",
        "arn:aws:states::123456789012:execution:shop:e",
        "arn:aws:lambda:us-east-1:123456789012:execution:shop:e",
        "arn:aws:states:us-east-1:123456789012:execution:shop:e f",
        &format!("{ARN}{}", "x".repeat(2_048)),
        "",
    ] {
        let reason = refusal(&MINIMAL.replace(ARN, other));
        assert!(
            reason.starts_with("field transactionId is not the ARN of an execution:"),
            "{other}: {reason}"
        );
    }
}

#[test]
fn a_timeout_is_a_whole_number_however_it_is_written() {
    let timeout =
        |json: &str| Message::parse(&MINIMAL.replace('}', &format!(",\"timeoutSeconds\":{json}}}")));
    for (json, seconds) in [
        ("600", 600),
        ("600.0", 600),
        ("6e2", 600),
        ("\"600\"", 600),
        ("\"600.0\"", 600),
        ("9.9999999E7", 99_999_999),
        ("1", 1),
    ] {
        assert_eq!(timeout(json).unwrap().timeout_seconds, Some(seconds), "{json}");
    }
    assert_eq!(timeout("null").unwrap().timeout_seconds, None);
    for json in [
        "0",
        "-5",
        "600.5",
        "1e8",
        "1e400",
        "\"\"",
        "\"ten\"",
        "\"NaN\"",
        "\"inf\"",
        "true",
        "[600]",
        "\"600 s\"",
    ] {
        let error = timeout(json).unwrap_err().to_string();
        assert_eq!(error, "field timeoutSeconds is not a whole number from 1 to 99999999", "{json}");
    }
}

#[test]
fn a_message_in_an_envelope_is_told_which_one() {
    let quoted = serde_json::Value::from(MINIMAL);
    for (body, expected) in [
        (
            format!(
                r#"{{"Type":"Notification","MessageId":"m","TopicArn":"arn:t","Message":{quoted},"Timestamp":"t"}}"#
            ),
            "a notification of SNS",
        ),
        (
            format!(
                r#"{{"version":"0","id":"i","detail-type":"Approval","source":"shop","account":"1","detail":{MINIMAL}}}"#
            ),
            "an event of EventBridge",
        ),
        (
            format!(
                r#"{{"messageId":"m","body":{quoted},"eventSource":"aws:sqs","eventSourceARN":"a","awsRegion":"r"}}"#
            ),
            "a record of an EventBridge pipe",
        ),
        (
            format!(
                r#"[{{"eventID":"1","eventSource":"aws:dynamodb","awsRegion":"r","dynamodb":{MINIMAL}}}]"#
            ),
            "a record of an EventBridge pipe",
        ),
        (r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#.to_owned(), "an event with a list of records"),
        (
            format!(
                r#"{{"version":"1.0","requestContext":{{}},"requestPayload":{{}},"responsePayload":{MINIMAL}}}"#
            ),
            "a record of a Lambda function's destination",
        ),
        (
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#
                .to_owned(),
            "a pointer of the SQS extended client",
        ),
        (
            r#"["com.amazon.sqs.javamessaging.MessageS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#
                .to_owned(),
            "a pointer of the SQS extended client",
        ),
        (quoted.to_string(), "a JSON string that holds the message"),
    ] {
        let reason = refusal(&body);
        assert!(reason.starts_with(&format!("the body is {expected}")), "{reason}");
    }
    // A message may have these fields besides its own.
    let marked = MINIMAL.replace('}', r#","Records":[],"source":1,"detail":2,"detail-type":3}"#);
    assert_eq!(Message::parse(&marked).unwrap().unknown_fields.len(), 4);
}
