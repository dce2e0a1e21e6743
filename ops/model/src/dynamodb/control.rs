//! CreateTable, DescribeTable, UpdateTimeToLive: as much as tests and discovery need (API_CreateTable,
//! API_DescribeTable, API_UpdateTimeToLive, DynamoDB API reference).

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{DynamoDb, IndexSchema, KeyAttribute, KeySchema, Kind, Projection, TableSchema, refused};
use crate::streams::Streams;
use crate::turn::Turn;
use crate::wire::{Answer, Service, ServiceError, success};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    table_name: String,
    attribute_definitions: Vec<AttributeDefinition>,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<CreateIndex>,
    stream_specification: Option<StreamSpecification>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateIndex {
    index_name: String,
    key_schema: Vec<KeyElement>,
    projection: CreateProjection,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateProjection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSpecification {
    stream_enabled: bool,
    stream_view_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DescribeRequest {
    table_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct TimeToLiveRequest {
    table_name: String,
    time_to_live_specification: Json,
}

impl DynamoDb {
    pub(super) fn create_table(
        &mut self,
        request: CreateRequest,
        streams: &mut Streams,
        turn: &mut Turn<'_>,
    ) -> Answer {
        if self.tables.contains_key(&request.table_name) {
            let words = format!("Table already exists: {}", request.table_name);
            return Err(ServiceError::new(Service::DynamoDb, "ResourceInUseException", &words));
        }
        let schema = table_schema(request)?;
        let name = schema.name.clone();
        self.add_table(schema, streams, turn);
        success(&json!({ "TableDescription": self.description(&name, streams)? }))
    }

    pub(super) fn describe_table(&self, request: DescribeRequest, streams: &Streams) -> Answer {
        success(&json!({ "Table": self.description(&request.table_name, streams)? }))
    }

    /// Accepted and ignored: tests delete by TTL through [`super::super::World`].
    pub(super) fn update_time_to_live(&self, request: TimeToLiveRequest) -> Answer {
        self.table(&request.table_name)?;
        success(&json!({ "TimeToLiveSpecification": request.time_to_live_specification }))
    }

    fn description(&self, name: &str, streams: &Streams) -> Result<Json, ServiceError> {
        let table = self.tables.get(name).ok_or_else(|| {
            let words = format!("Requested resource not found: Table: {name} not found");
            ServiceError::new(Service::DynamoDb, "ResourceNotFoundException", &words)
        })?;
        let mut description = json!({
            "TableName": name,
            "TableStatus": "ACTIVE",
            "TableArn": format!("arn:aws:dynamodb:us-east-1:000000000000:table/{name}"),
        });
        // A disabled stream is still returned as the latest one (TableDescription, API reference).
        if let Some((arn, label)) = streams.latest_of(name) {
            description["LatestStreamArn"] = json!(arn);
            description["LatestStreamLabel"] = json!(label);
        }
        if table.stream_arn.is_some() {
            description["StreamSpecification"] =
                json!({ "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" });
        }
        Ok(description)
    }
}

fn table_schema(request: CreateRequest) -> Result<TableSchema, ServiceError> {
    let key = |elements: &[KeyElement]| key_schema(elements, &request.attribute_definitions);
    let indexes = request.global_secondary_indexes.iter().map(|index| {
        let projection = match index.projection.projection_type.as_str() {
            "ALL" => Projection::All,
            "KEYS_ONLY" => Projection::KeysOnly,
            "INCLUDE" => Projection::Include(index.projection.non_key_attributes.clone()),
            other => return Err(refused(format!("Unknown ProjectionType: {other}"))),
        };
        Ok(IndexSchema { name: index.index_name.clone(), key: key(&index.key_schema)?, projection })
    });
    let has_stream = match &request.stream_specification {
        Some(stream) if stream.stream_enabled => {
            let view = stream.stream_view_type.as_deref();
            assert_eq!(view, Some("NEW_IMAGE"), "the model supports no other StreamViewType");
            true
        }
        Some(_) | None => false,
    };
    Ok(TableSchema {
        key: key(&request.key_schema)?,
        indexes: indexes.collect::<Result<_, _>>()?,
        has_stream,
        name: request.table_name.clone(),
    })
}

fn key_schema(
    elements: &[KeyElement],
    definitions: &[AttributeDefinition],
) -> Result<KeySchema, ServiceError> {
    let attribute = |key_type: &str| {
        let Some(element) = elements.iter().find(|element| element.key_type == key_type) else {
            return Ok(None);
        };
        let name = &element.attribute_name;
        let definition = definitions.iter().find(|definition| definition.attribute_name == *name);
        let kind = match definition.map(|definition| definition.attribute_type.as_str()) {
            Some("S") => Kind::S,
            Some("N") => Kind::N,
            Some("B") => Kind::B,
            _ => {
                return Err(refused(format!(
                    "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [{name}]"
                )));
            }
        };
        Ok(Some(KeyAttribute { name: name.clone(), kind }))
    };
    let hash = attribute("HASH")?.ok_or_else(|| refused("Invalid KeySchema: no HASH key"))?;
    Ok(KeySchema { hash, range: attribute("RANGE")? })
}
