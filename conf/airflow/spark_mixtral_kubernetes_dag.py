"""The same as spark_mixtral_dag.py on Kubernetes, where the Spark operator runs the job of spark-application.yaml.

It needs the provider apache-airflow-providers-cncf-kubernetes, and the Spark operator on the cluster. The operator's verdict is the
job's: a driver that ends with another exit code than 0 fails the task, and a retry goes on where it has stopped.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["mixtral"],
)
def spark_mixtral_kubernetes():
    SparkKubernetesOperator(
        task_id="answer",
        namespace="spark",
        # Beside this file; its {{ ds }} is the day.
        application_file="spark-application.yaml",
        execution_timeout=timedelta(hours=6),
    )


spark_mixtral_kubernetes()
