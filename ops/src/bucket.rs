//! Uploads to a bucket of S3: one signed request for each file. The SDK's own crate for S3 would take longer to build
//! than all other parts of this program.

use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;

use crate::account::Account;

/// A bucket in the region of the account.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    region: String,
    /// The service's address, without a slash at its end.
    endpoint: String,
    credentials: SharedCredentialsProvider,
    connector: Connector,
}

impl Bucket {
    /// The bucket `name` of an account.
    pub fn new(account: &Account, name: &str) -> Bucket {
        let region = &account.region;
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let endpoint = account.endpoint_url.clone();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com{suffix}"));
        let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        Bucket {
            name: name.to_owned(),
            region: region.clone(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            credentials: account.credentials.clone(),
            connector: Connector::builder().tls_provider(tls).build(),
        }
    }

    /// The address of an object, with the bucket in its path: as CloudFormation takes it too.
    pub fn url(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.endpoint, self.name)
    }

    /// Stores an object.
    ///
    /// # Errors
    ///
    /// If S3 rejects it: says whether the bucket is missing, is in another region, or is not the caller's to write.
    pub async fn put(&self, key: &str, body: Vec<u8>) -> Result<()> {
        let url = self.url(key);
        let request = self.signed(&url, &body).await?.map(|()| SdkBody::from(body));
        let request = Request::try_from(request).context("a request of S3")?;
        let answer = self.connector.call(request).await;
        let mut answer =
            answer.map_err(|error| anyhow!("{error}")).with_context(|| format!("no answer from {url}"))?;
        let status = answer.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(());
        }
        let told = aws_smithy_types::byte_stream::ByteStream::new(answer.take_body()).collect().await;
        let told =
            told.map(|told| String::from_utf8_lossy(&told.into_bytes()).into_owned()).unwrap_or_default();
        let (name, region) = (&self.name, &self.region);
        match status {
            404 => bail!(
                "the bucket {name} does not exist: create it with `aws s3 mb s3://{name} --region {region}`"
            ),
            301 | 307 | 400 if told.contains("Redirect") || told.contains("AuthorizationHeaderMalformed") => {
                bail!("the bucket {name} is not in {region}: use a bucket in the region of the stack")
            }
            403 => {
                bail!("S3 denies the upload of {key} to {name}: the caller needs s3:PutObject there\n{told}")
            }
            _ => bail!("S3 responded with {status} to the upload of {key} to {name}\n{told}"),
        }
    }

    async fn signed(&self, url: &str, body: &[u8]) -> Result<http::Request<()>> {
        let credentials = self.credentials.provide_credentials().await.context("no AWS credentials")?;
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::from(Timestamp::now()))
            .settings(settings)
            .build()?
            .into();
        let mut request = http::Request::put(url).header("content-length", body.len()).body(())?;
        let signable = SignableRequest::new("PUT", url, std::iter::empty(), SignableBody::Bytes(body))?;
        let (instructions, _signature) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
