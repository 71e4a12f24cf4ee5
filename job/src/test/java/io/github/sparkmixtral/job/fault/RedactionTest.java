package io.github.sparkmixtral.job.fault;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RedactionTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "no such model: s3a://KEY:SE/CR@E:T+=@bucket/a.gguf | no such model: s3a://***@bucket/a.gguf",
                "s3a://K:S@one/a,s3a://K:T@two/b | s3a://***@one/a,s3a://***@two/b",
                "hdfs://me:pass@host:8020/a | hdfs://***@host:8020/a",
                "https://token@host/a | https://***@host/a",
                "https://h/a?X-Amz-Credential=A%2Fb&X-Amz-Signature=0af&x=1 | https://h/a?X-Amz-Credential=***&X-Amz-Signature=***&x=1",
                "https://h/a?X-Amz-Security-Token=F/w+= | https://h/a?X-Amz-Security-Token=***",
                "https://h/a?sv=2024-11-04&sp=r&sig=a%2Bb%3D | https://h/a?sv=2024-11-04&sp=r&sig=***",
                "Authorization: Bearer abc.def | Authorization: Bearer ***",
                "authorization: Basic YTpi, next | authorization: Basic ***, next",
                "`{\"Authorization\": \"Bearer abc\", \"a\": 1}` | `{\"Authorization\": \"Bearer ***\", \"a\": 1}`",
                "sent Bearer abcdefghijklmnopqrstu to it | sent Bearer *** to it",
                "spark.hadoop.fs.s3a.secret.key=a/b+c@d | spark.hadoop.fs.s3a.secret.key=***",
                "fs.s3a.access.key: 4711ab | fs.s3a.access.key: ***",
                "AWS_SECRET_ACCESS_KEY=x y | AWS_SECRET_ACCESS_KEY=*** y",
                "fs.azure.account.key.me.dfs.core.windows.net=abc== | fs.azure.account.key.me.dfs.core.windows.net=***",
                "`{\"password\":\"p w\"}` | `{\"password\":\"***\"}`",
                "my_token = 'abc' | my_token = '***'",
                "with hf_abcdefghijklmnopqrstuvwx0123 now | with *** now",
                "key AKIAABCDEFGHIJKLMNOP, ASIAABCDEFGHIJKLMNOP | key ***, ***"
            })
    void hides(String text, String expected) {
        assertThat(Redaction.redact(text)).isEqualTo(expected);
        assertThat(Redaction.redact(expected)).as("once more").isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "max_tokens=64, max-total-tokens: 4096, --max-tokens 12",
                "{\"prompt_tokens\": 12, \"prompt_tokens\":\"many\"}, prompt_tokens: 12",
                "3 tokens in 1.0 s (12.5 tokens/s)",
                "tokenizer.json: no vocabulary; the tokenizer: none; stop_token_ids=[1,2]",
                "eos_token: 2",
                "hdfs://host:8020/models@v2/a.gguf",
                "s3a://bucket/prompts@v2/a.jsonl and me@example.org",
                "abfss://container@account.dfs.core.windows.net/a",
                "spark://CoarseGrainedScheduler@127.0.0.1:4141",
                "SimpleAWSCredentialsProvider: no keys; fs.s3a.aws.credentials.provider=a.B",
                "basic information: the bearer of news",
                "hf://datasets/a@main/b, hf_short"
            })
    void leaves(String text) {
        assertThat(Redaction.redact(text)).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "token_", "secret=", "://a:", "s3a://K:", "sig", "Bearer "})
    @Timeout(20)
    void longTextTakesNotLong(String part) {
        assertThat(Redaction.redact(part.repeat(100_000))).isNotEmpty();
    }

    @Test
    void outputIsRedactedByLines() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream out = RedactedOutput.to(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        out.print("größe: s3a://K:se/");
        out.flush();
        out.println("cr@et@bucket/a");
        new IllegalStateException("password=abc").printStackTrace(out);
        out.print("sig=abc");
        out.close();

        assertThat(bytes.toString(StandardCharsets.UTF_8))
                .startsWith("größe: s3a://***@bucket/a\njava.lang.IllegalStateException: password=***\n\tat ")
                .endsWith("\nsig=***");
    }
}
