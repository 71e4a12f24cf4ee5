package io.github.sparkmixtral.job.input;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.github.sparkmixtral.job.input.ParameterColumns.Fit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ParameterColumnsTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    tools       | "hammer and nails"               | DATA
                    tools       | ["hammer", "nails"]              | DATA
                    tools       | [{"type": "function"}, "nails"]  | DATA
                    tools       | {"a": 1}                         | DATA
                    tools       | "[hammer]"                       | DATA
                    tools       | [{"type": "function"}]           | PARAMETER
                    tools       | "[{\\"type\\": \\"function\\"}]" | PARAMETER
                    tools       | " [ {broken"                     | PARAMETER
                    tools       | []                               | NEITHER
                    tools       | null                             | NEITHER
                    stop        | "Main Street"                    | EITHER
                    stop        | ["."]                            | PARAMETER
                    stop        | [1]                              | DATA
                    stop        | []                               | NEITHER
                    n           | 128                              | PARAMETER
                    n           | 129                              | DATA
                    n           | 1.5                              | DATA
                    n           | "1"                              | DATA
                    seed        | 1e3                              | PARAMETER
                    seed        | NaN                              | DATA
                    temperature | 2.0                              | PARAMETER
                    temperature | 21.5                             | DATA
                    safe_prompt | true                             | PARAMETER
                    safe_prompt | "How do I bake bread?"           | DATA
                    """)
    void everydayWordsAreParametersByTheirValues(String column, String json, Fit fit) throws JsonProcessingException {
        assertThat(ParameterColumns.fit(column, JsonLine.JSON.readTree(json))).isEqualTo(fit);
    }
}
