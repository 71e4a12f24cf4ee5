"""Answers each day's prompts with Mixtral on a Spark cluster, and hands a small dictionary on.

Copy this file into Airflow's folder of DAGs, and set the four places below, here or in the environment of the workers. It needs Airflow 2.9 or newer with the providers
apache-airflow-providers-apache-spark and, for paths that are not local, the one of the store.

The connection `spark_default` says which cluster and how (host, deploy mode). No secret stands in the arguments, which Airflow
logs: the cluster has the keys of its store, and HF_TOKEN, if one is needed, belongs into the connection's environment.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

try:
    from airflow.sdk import ObjectStoragePath, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.io.path import ObjectStoragePath

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator

# An installation: the unpacked archive.
HOME = os.environ.get("SPARK_MIXTRAL_HOME", "/opt/spark-mixtral")
MODEL = os.environ.get("SPARK_MIXTRAL_MODEL", "/models/mixtral-8x7b-instruct-v0.1.Q4_K_M.gguf")
INPUT = os.environ.get("SPARK_MIXTRAL_INPUT", "s3a://bucket/prompts/ds={{ ds }}/*.jsonl")
OUTPUT = os.environ.get("SPARK_MIXTRAL_OUTPUT", "s3a://bucket/answers/ds={{ ds }}")


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    # A retry is the same command: it goes on where the last try has stopped, and does nothing if all is answered.
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["mixtral"],
)
def spark_mixtral():
    answer = SparkSubmitOperator(
        task_id="answer",
        conn_id="spark_default",
        name="spark-mixtral {{ ds }}",
        application=f"{HOME}/lib/spark-mixtral.jar",
        java_class="io.github.sparkmixtral.job.BatchInferenceJob",
        properties_file=f"{HOME}/conf/spark-defaults.conf",
        application_args=[
            f"--model={MODEL}",
            f"--input={INPUT}",
            f"--output={OUTPUT}",
            "--temperature=0",
            "--max-tokens=300",
            "--max-error-ratio=0.01",
            # Before Airflow's own limit: what runs then is finished and written, and a retry goes on.
            "--deadline=5h",
        ],
        execution_timeout=timedelta(hours=6),
    )

    @task
    def summary(output: str) -> dict:
        """What Airflow keeps: counts and places, never answers."""
        manifest = json.loads((ObjectStoragePath(output.replace("s3a://", "s3://")) / "_manifest.json").read_text())
        return {
            "schema_version": manifest["schema_version"],
            "result_uri": manifest["result_uri"],
            "request_count": manifest["request_count"],
            "counts": manifest["counts"],
            "terminal_reason": manifest["terminal_reason"],
            "model_id": manifest["model"]["path"],
            "submitted_at": manifest["time"]["start"],
            "completed_at": manifest["time"]["end"],
            "tokens": manifest["tokens"]["total"],
        }

    answer >> summary(OUTPUT)


spark_mixtral()
