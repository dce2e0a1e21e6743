//! The way to a deployment: the guide's commands, which `e2e/guide.rs` runs, and what the template asks of its parameters.

use std::collections::BTreeSet;

use ops::binaries::root;
use ops::guide;
use serde_json::{Value, json};

use crate::yaml::template;

#[test]
fn every_stumbling_block_has_its_test() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("### Stumbling blocks\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let tests = section.lines().filter_map(|line| line.rsplit_once("| `")?.1.strip_suffix("` |"));
    let tests: Vec<(&str, &str)> = tests.map(|test| test.split_once(": ").unwrap()).collect();
    assert!(tests.len() >= 15, "{tests:?}");
    for (file, name) in tests {
        let code = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(code.contains(&format!("fn {name}()")), "{file}: {name}");
    }
}

/// `$GROUPS` is a number of bash's own, whatever it is set to.
#[test]
fn no_command_uses_a_variable_of_bash() {
    const OF_BASH: [&str; 10] =
        ["DIRSTACK", "EUID", "GROUPS", "HOSTNAME", "LINENO", "PPID", "RANDOM", "SECONDS", "SHELLOPTS", "UID"];
    let readme = include_str!("../../README.md");
    for name in OF_BASH {
        for form in [format!("${name}"), format!("${{{name}")] {
            assert!(!readme.contains(&form), "{form}");
        }
    }
}

#[test]
fn every_parameter_of_the_guide_exists() {
    let parameters: BTreeSet<String> =
        template()["Parameters"].as_object().unwrap().keys().cloned().collect();
    let guide = guide::commands();
    let named = guide.split_whitespace().filter_map(|word| word.split_once('=')).map(|(name, _)| name);
    let named: Vec<&str> =
        named.filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase())).collect();
    let of_template: Vec<&&str> = named.iter().filter(|name| name.contains(char::is_lowercase)).collect();
    assert!(of_template.len() >= 4, "{named:?}");
    for name in of_template {
        assert!(parameters.contains(*name), "{name}");
    }
}

#[test]
fn what_workers_need_is_required_before_anything_is_created() {
    let rule = template()["Rules"]["Workers"].clone();
    assert_eq!(rule["RuleCondition"], json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "WorkerCount"}, 0]}]}));
    let asserted = rule["Assertions"].to_string();
    for parameter in ["WorkerSubnetIds", "WorkerSecurityGroupIds", "WorkerCodeBucket", "WorkerCodeKey"] {
        assert!(asserted.contains(&format!(r#"{{"Ref":"{parameter}"}}"#)), "{parameter}");
    }
}

/// Five places each for the name itself and for the children that its Distributed Maps start, and no name more.
#[test]
fn every_list_of_state_machines_has_the_same_names() {
    let resources = template()["Resources"].clone();
    let statement = |sid: &str| -> Value {
        let statements = &resources["WorkerRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        statements.as_array().unwrap().iter().find(|statement| statement["Sid"] == sid).unwrap().clone()
    };
    let rule = &resources["ClosedExecutionsRule"]["Properties"]["EventPattern"]["detail"]["stateMachineArn"];
    for (list, forms) in [
        (
            &statement("AnswerWorkflows")["Resource"]["Fn::If"][2],
            ["stateMachine:${Name}", "stateMachine:${Name}/*"],
        ),
        (&statement("AskExecutions")["Resource"], ["execution:${Name}:*", "execution:${Name}/*"]),
        (rule, ["stateMachine:${Name}", "stateMachine:${Name}/"]),
    ] {
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), 1 + 5 * forms.len());
        let named = list[1..].iter().map(|entry| {
            let arn = entry.get("wildcard").or_else(|| entry.get("prefix")).unwrap_or(entry);
            let (text, name) = (&arn["Fn::Sub"][0], &arn["Fn::Sub"][1]["Name"]["Fn::Select"]);
            assert_eq!(name[1], json!({"Fn::Split": [",", {"Fn::Sub": "${OtherStateMachines},,,,"}]}));
            (
                name[0].as_u64().unwrap(),
                text.as_str().unwrap().rsplit_once("AccountId}:").unwrap().1.to_owned(),
            )
        });
        let expected = (0..5).flat_map(|index| forms.map(|form| (index, form.to_owned())));
        assert_eq!(named.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

/// What a machine without NAT must reach, and what the machine must know of it.
#[test]
fn an_endpoint_that_has_no_private_name_is_told_to_the_workers() {
    let resources = template()["Resources"].clone();
    for (name, resource) in resources.as_object().unwrap() {
        if resource["Type"] == "AWS::EC2::VPCEndpoint" {
            let condition = if name == "EventsEndpoint" { "HasNoticesEndpoint" } else { "HasEndpoints" };
            assert_eq!(resource["Condition"], condition, "{name}");
            let is_private = &resource["Properties"]["PrivateDnsEnabled"];
            let is_gateway = resource["Properties"]["VpcEndpointType"] == "Gateway";
            assert_eq!(*is_private == json!(true), !is_gateway && name != "StreamsEndpoint", "{name}");
        }
    }
    let data =
        &resources["WorkerTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"];
    let variable = data[1]["StreamsEndpointVariable"].to_string();
    assert!(variable.contains("AWS_ENDPOINT_URL_DYNAMODB_STREAMS=https://${Host}"), "{variable}");
    assert!(variable.contains("StreamsEndpoint.DnsEntries"), "{variable}");
    assert!(data[0].as_str().unwrap().contains("\n${StreamsEndpointVariable}\n"));
}

/// Without the parameter the listener is on loopback; with it, one group alone reaches it.
#[test]
fn metrics_are_reached_by_the_named_security_group_alone() {
    let template = template();
    assert_eq!(template["Parameters"]["MetricsSecurityGroupId"]["Default"], "");
    let named = json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "MetricsSecurityGroupId"}, ""]}]});
    let condition = &template["Conditions"]["HasMetricsSecurityGroup"]["Fn::And"];
    assert_eq!(*condition, json!([{"Condition": "HasWorkers"}, named]));
    let data = &template["Resources"]["WorkerTemplate"]["Properties"]["LaunchTemplateData"]["UserData"];
    let [script, values] = &data["Fn::Base64"]["Fn::Sub"].as_array().unwrap()[..] else { panic!("{data}") };
    assert_eq!(
        values["MetricsAddress"],
        json!({"Fn::If": ["HasMetricsSecurityGroup", "0.0.0.0", "127.0.0.1"]})
    );
    let listen = "\nCOUNTERSIGN_METRICS__LISTEN=${MetricsAddress}:9420\n";
    assert!(script.as_str().unwrap().contains(listen));
    let ingress: Vec<&Value> = template["Resources"]
        .as_object()
        .unwrap()
        .values()
        .filter(|resource| resource["Type"] == "AWS::EC2::SecurityGroupIngress")
        .collect();
    let [ingress] = ingress[..] else { panic!("{ingress:?}") };
    assert_eq!(ingress["Condition"], "HasMetricsSecurityGroup");
    let rule = &ingress["Properties"];
    assert_eq!((&rule["FromPort"], &rule["ToPort"]), (&json!(9420), &json!(9420)));
    assert_eq!(rule["GroupId"], json!({"Fn::Select": [0, {"Ref": "WorkerSecurityGroupIds"}]}));
    assert_eq!(rule["SourceSecurityGroupId"], json!({"Ref": "MetricsSecurityGroupId"}));
    assert!(rule.get("CidrIp").is_none());
}

/// A filter that matches no line raises no alarm: these are the words that the programs log.
#[test]
fn the_filters_of_the_logs_match_what_is_logged() {
    let resources = template()["Resources"].clone();
    for (filter, alarm, metric, pattern) in [
        (
            "RejectedMessagesFilter",
            "RejectedMessagesAlarm",
            "rejected-messages",
            r#"{ $.outcome = "rejected" }"#,
        ),
        ("RetriedMessagesFilter", "RetriedMessagesAlarm", "retried-messages", r#"{ $.outcome = "retry" }"#),
        (
            "WorkerCrashesFilter",
            "WorkerCrashesAlarm",
            "worker-crashes",
            r#""countersign.service: Main process exited""#,
        ),
    ] {
        let metric = json!({"Fn::Sub": format!("${{AWS::StackName}}-{metric}")});
        let filter = &resources[filter]["Properties"];
        assert_eq!(filter["FilterPattern"], pattern);
        assert_eq!(filter["MetricTransformations"][0]["MetricName"], metric);
        assert_eq!(resources[alarm]["Properties"]["MetricName"], metric);
        let namespace = &filter["MetricTransformations"][0]["MetricNamespace"];
        assert_eq!(resources[alarm]["Properties"]["Namespace"], *namespace);
    }
    let handler = include_str!("../../../ingest/src/handler.rs");
    for outcome in ["rejected", "retry"] {
        assert!(handler.contains(&format!("outcome = \"{outcome}\"")), "{outcome}");
    }
}

/// Anyone who can reach the workers from elsewhere needs a token and connects over TLS.
#[test]
fn a_door_for_people_has_tls_and_demands_tokens() {
    let template = template();
    let resources = &template["Resources"];
    for (name, resource) in resources.as_object().unwrap() {
        if resource["Type"].as_str().unwrap().starts_with("AWS::ElasticLoadBalancingV2::") {
            assert_eq!(resource["Condition"], "HasConsole", "{name}");
        }
    }
    let listener = &resources["ConsoleListener"]["Properties"];
    assert_eq!((&listener["Protocol"], &listener["Port"]), (&json!("HTTPS"), &json!(443)));
    assert!(listener["SslPolicy"].as_str().unwrap().contains("TLS13"));
    assert_eq!(resources["ConsoleTargetGroup"]["Properties"]["HealthCheckPath"], "/readyz");

    let data =
        &resources["WorkerTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"];
    assert!(data[0].as_str().unwrap().contains("\n${ConsoleVariables}\n"));
    let variables = &data[1]["ConsoleVariables"]["Fn::If"];
    assert_eq!((&variables[0], &variables[2]), (&json!("HasConsole"), &json!("")));
    let lines = &variables[1]["Fn::Join"];
    assert_eq!(lines[0], "\n");
    let lines = lines[1].as_array().unwrap();
    assert!(lines.contains(&json!("COUNTERSIGN_API__LISTEN=0.0.0.0:8420")));
    assert!(lines.contains(&json!({"Fn::Sub": "COUNTERSIGN_AUTH__MODE=${ConsoleAuth}"})));
    assert_eq!(template["Parameters"]["ConsoleAuth"]["AllowedValues"], json!(["tokens", "oidc"]));

    let asserted = template["Rules"]["Console"]["Assertions"].to_string();
    for parameter in [
        "WorkerCount",
        "ConsoleCertificateArn",
        "ConsoleVpcId",
        "ConsoleSubnetIds",
        "ConsoleSecurityGroupIds",
    ] {
        assert!(asserted.contains(&format!(r#"{{"Ref":"{parameter}"}}"#)), "{parameter}");
    }
}
