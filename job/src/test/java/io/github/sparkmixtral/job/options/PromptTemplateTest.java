package io.github.sparkmixtral.job.options;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PromptTemplateTest {

    @Test
    void columnsAreReplacedAndDoubledBracesAreOne() {
        PromptTemplate template = PromptTemplate.parse("Say {{\"x\": {text}}} in { language }: {text}");

        assertThat(template.columns()).containsExactly("text", "language");
        assertThat(template.fill(Map.of("text", "{language}", "language", "German")::get))
                .isEqualTo("Say {\"x\": {language}} in German: {language}");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                    a {       | has a { at character 3 that begins no column: write {column}, or {{ for a brace
                    {}        | has a { at character 1 that begins no column: write {column}, or {{ for a brace
                    {a{b}     | has a { at character 1 that begins no column: write {column}, or {{ for a brace
                    {a} }     | has a } at character 5 that ends no column: write }} for a brace
                    {{a}}     | names no column: write {column} where a row's value goes
                    """)
    void wrongTemplatesAreRefused(String source, String message) {
        assertThatThrownBy(() -> PromptTemplate.parse(source))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
