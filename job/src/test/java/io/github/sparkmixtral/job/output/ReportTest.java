package io.github.sparkmixtral.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import org.junit.jupiter.api.Test;

class ReportTest {
    private static JsonNode json(String text) throws Exception {
        return new JsonMapper().readTree(text);
    }

    @Test
    void tellsEachMatterInOneLine() throws Exception {
        JsonNode manifest = json("""
                {"request_count": 1500,
                 "rows": {"total": 1200, "answered": 1190, "failed": 10, "resumed": 200, "copied": 30,
                          "errors": {"invalid_prompt": 3, "context_length_exceeded": 7},
                          "finish_reasons": {"stop": 1100, "length": 90}},
                 "tokens": {"prompt": 40000, "completion": 12345, "cache_hit_rate": 0.137},
                 "time": {"seconds": 127.3, "rows": 1000, "rows_per_second": 7.86, "completion_tokens_per_second": 97.04,
                          "seconds_per_row_p50": 1.24, "seconds_per_row_p95": 3.96},
                 "slowest_rows": [
                   {"custom_id": "a", "seconds": 4000, "prompt_tokens": 2011, "completion_tokens": 12},
                   {"custom_id": "b", "seconds": 150, "prompt_tokens": 5, "completion_tokens": 512},
                   {"custom_id": "c", "seconds": 3.4, "prompt_tokens": 6, "completion_tokens": 1},
                   {"custom_id": "d", "seconds": 3.3, "prompt_tokens": 6, "completion_tokens": 1}],
                 "expert_tokens": [[10, 10, 10, 10], [10, 30, 0, 0], [15, 5, 10, 10]]}
                """);
        assertThat(new Report(manifest).text()).isEqualTo("""
                          rows      1,200 of 1,500: 1,190 answered, 10 with errors
                                    90 cut at max_tokens, 200 answered before, 30 with an equal row's answer
                          errors    7 context_length_exceeded, 3 invalid_prompt
                          tokens    40,000 in (14% from the cache), 12,345 out
                          run       2 min 7 s: 1,000 rows, 7.9 rows/s, 97.0 tokens/s
                          per row   half of them within 1.2 s, 95% within 4.0 s
                          slowest   a: 1 h 6 min, 2,011 tokens in, 12 out
                                    b: 2 min 30 s, 5 tokens in, 512 out
                                    c: 3.4 s, 6 tokens in, 1 out
                          experts   the busiest of a layer has 1.8 times the mean load, 3.0 times in layer 1""".indent(2).stripTrailing());
    }

    @Test
    void leavesOutWhatThereIsNot() throws Exception {
        JsonNode manifest = json("""
                {"request_count": 2, "rows": {"total": 2, "answered": 2, "failed": 0}, "tokens": {},
                 "time": {"seconds": 1, "rows": 0}}
                """);
        assertThat(new Report(manifest).text()).isEqualTo("""
                          rows      2: 2 answered, none with an error
                          tokens    0 in, 0 out
                          run       1.0 s: 0 rows, 0.0 rows/s, 0.0 tokens/s""".indent(2).stripTrailing());
    }
}
