"""Makes a bucket and a user with a key for it, and prints the key: python prepare.py ENDPOINT BUCKET. Four requests."""

import json
import sys

import boto3

endpoint, bucket = sys.argv[1:]


def client(service):
    return boto3.client(
        service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


client("s3").create_bucket(Bucket=bucket)
iam = client("iam")
iam.create_user(UserName="gateway")
allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
iam.put_user_policy(UserName="gateway", PolicyName="files", PolicyDocument=policy)
key = iam.create_access_key(UserName="gateway")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
