#!/usr/bin/env python3
"""Loads a DAG of conf/airflow without Airflow, and prints as JSON what its tasks would do on a day.

In place of Airflow stand classes with the names and the arguments that the DAG uses; an argument that they do not know is an error, as
it is in Airflow. Of a SparkSubmitOperator the command is put together as Airflow's hook does it, with its templated fields rendered.

    render.py DAG DAY                    the tasks
    render.py DAG DAY summary OUTPUT     what the task `summary` returns for an output
"""

import json
import pathlib
import runpy
import sys
import types

DAY = sys.argv[2]
TASKS = {}
FUNCTIONS = {}


def rendered(value):
    if isinstance(value, str):
        for name, text in (("ds_nodash", DAY.replace("-", "")), ("ds", DAY), ("ti.try_number", "1")):
            value = value.replace("{{ " + name + " }}", text)
        assert "{{" not in value, value
        return value
    if isinstance(value, list):
        return [rendered(one) for one in value]
    return value


class Task:
    def __rshift__(self, other):
        TASKS.setdefault("order", []).append([self.task_id, other.task_id])
        return other


class SparkSubmitOperator(Task):
    def __init__(
        self, *, task_id, conn_id, name, application, java_class, properties_file, application_args, execution_timeout, conf=None
    ):
        self.task_id = task_id
        command = ["spark-submit", "--master", "local[2]"]
        for key, value in (conf or {}).items():
            command += ["--conf", f"{key}={value}"]
        command += ["--properties-file", properties_file, "--name", name, "--class", java_class, application]
        TASKS[task_id] = {"command": rendered(command + application_args), "timeout": execution_timeout.total_seconds()}


class SparkKubernetesOperator(Task):
    def __init__(self, *, task_id, namespace, application_file, execution_timeout):
        self.task_id = task_id
        text = (pathlib.Path(sys.argv[1]).parent / application_file).read_text()
        TASKS[task_id] = {"namespace": namespace, "application": rendered(text), "timeout": execution_timeout.total_seconds()}


def dag(*, schedule, start_date, catchup, max_active_runs, default_args, tags):
    TASKS["dag"] = {"schedule": schedule, "catchup": catchup, "retries": default_args["retries"]}
    return lambda function: function


def task(function):
    FUNCTIONS[function.__name__] = function

    def called(*arguments):
        one = Task()
        one.task_id = function.__name__
        TASKS[function.__name__] = {"arguments": rendered(list(arguments))}
        return one

    return called


def module(name, **members):
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    for key, value in members.items():
        setattr(sys.modules[name], key, value)


module("airflow.sdk", dag=dag, task=task, ObjectStoragePath=pathlib.Path)
module("airflow.providers.apache.spark.operators.spark_submit", SparkSubmitOperator=SparkSubmitOperator)
module("airflow.providers.cncf.kubernetes.operators.spark_kubernetes", SparkKubernetesOperator=SparkKubernetesOperator)
runpy.run_path(sys.argv[1])
print(json.dumps(FUNCTIONS[sys.argv[3]](sys.argv[4]) if len(sys.argv) > 3 else TASKS))
