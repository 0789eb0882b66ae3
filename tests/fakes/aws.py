"""Clients of AWS, made soon: a session of its own each, so that no test hears another's handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import create_loader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

# Keeps what it has read of AWS's service models, which takes most of the time of making a client.
_LOADER = create_loader()


def make_session() -> boto3.Session:
    core = botocore.session.Session()
    core.register_component("data_loader", _LOADER)
    return boto3.Session("testing", "testing", region_name="us-east-1", botocore_session=core)


def connect_s3() -> S3Client:
    return make_session().client("s3", config=Config(signature_version="s3v4"))


def connect_dynamodb() -> DynamoDBClient:
    return make_session().client("dynamodb")
