package io.github.sparkmixtral.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {

    private static final String STEPS = """
            {"kind":"limit","threads":2,"bytesPerSecond":{"median":4.0E10},"flopsPerSecond":{"median":2.3E11}}
            {"kind":"step","what":"PREFILL","size":512,"tokensPerSecond":%s,"shareOfFlops":0.7}
            {"kind":"step","what":"DECODE","size":1,"tokensPerSecond":%s,"shareOfBytes":0.8}
            """;
    private static final String JOB = """
            {"kind":"job","job":{"sharedPrefix":0},"newTokensPerSecond":{"median":%s}}
            {"kind":"job","job":{"sharedPrefix":96},"newTokensPerSecond":{"median":%s}}
            """;
    private static final String PEERS = """
            some noise
            {"peer": "llama.cpp", "kind": "q8_0", "prefill_tps": 400, "decode_tps": 100.0, "job_new_tps": 100}
            {"peer": "llama.cpp", "kind": "q8_0", "prefill_tps": 600, "decode_tps": 100.0, "job_new_tps": 100}
            {"peer": "transformers", "kind": "bf16", "prefill_tps": 1000, "job_new_tps": 150}
            """;

    @TempDir
    private Path folder;

    @Test
    void setsMediansOfOursBesideOthers() throws IOException {
        Files.writeString(folder.resolve("steps-q8_0-1.jsonl"), STEPS.formatted(800, 120));
        Files.writeString(folder.resolve("steps-q8_0-2.jsonl"), STEPS.formatted(1200, 140));
        Files.writeString(folder.resolve("steps-q4_k_m-1.jsonl"), STEPS.formatted(900, 200));
        Files.writeString(folder.resolve("job-q8_0-1.jsonl"), JOB.formatted(300, 600));
        Files.writeString(folder.resolve("job-q8_0-1.md"), "not read");
        Path peers = Files.writeString(folder.resolve("peers.jsonl"), PEERS);
        assertThat(Report.of(folder, peers)).isEqualTo("""
                        This machine's limits with 2 threads, median: reads 40.0 GB/s, multiplies and adds 230.0 GFLOP/s.

                        | engine | weights | prompt, tokens/s (of the multiply-add peak) | decode at batch 1, tokens/s (of the read bandwidth) | job, new tokens/s | job with a shared prefix, new tokens/s |
                        |---|---|---:|---:|---:|---:|
                        | spark-mixtral | q4_k_m | 900.0 (70 %) | 200.0 (80 %) |  |  |
                        | spark-mixtral | q8_0 | 1000.0 (70 %) | 130.0 (80 %) | 300.0 | 600.0 |
                        | llama.cpp | q8_0 | 500.0 | 100.0 | 100.0 |  |
                        | transformers | bf16 | 1000.0 |  | 150.0 |  |

                        | ours against | prompt, tokens/s | decode at batch 1, tokens/s | job, new tokens/s | job with a shared prefix, new tokens/s |
                        |---|---:|---:|---:|---:|
                        | the best of all, each in its best format | 1.00 x | 2.00 x | 2.00 x | 4.00 x |
                        | llama.cpp, both q8_0 | 2.00 x | 1.30 x | 3.00 x | 6.00 x |

                        """);
    }

    @Test
    void needsNoOthers() throws IOException {
        Files.writeString(folder.resolve("job-f16-1.jsonl"), JOB.formatted(30, 60));
        assertThat(Report.of(folder, null)).endsWith("| spark-mixtral | f16 |  |  | 30.0 | 60.0 |\n\n");
    }

    @Test
    void tellsHowThreadsScaleAndContextsGrow() throws IOException {
        Files.writeString(folder.resolve("threads.jsonl"), """
                {"kind":"limit","threads":1}
                {"kind":"step","threads":2,"tokensPerSecond":190}
                {"kind":"step","threads":1,"tokensPerSecond":100}
                """);
        Files.writeString(folder.resolve("contexts.jsonl"), """
                {"kind":"step","context":128,"seconds":0.010}
                {"kind":"step","context":1024,"seconds":0.011}
                {"kind":"step","context":4096,"seconds":0.013}
                """);
        assertThat(Report.of(folder, null))
                .contains("Prompts with 2 threads instead of 1: 1.90 x the tokens/s.")
                .contains("Decoding at a context of 4096 tokens instead of 128: 1.30 x the time per token.");
    }
}
