"""Clients of AWS: a session of its own each, so that no test hears another's handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client


def make_session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name="us-east-1")


def connect_s3() -> S3Client:
    return make_session().client("s3", config=Config(signature_version="s3v4"))


def connect_dynamodb() -> DynamoDBClient:
    return make_session().client("dynamodb")
