package io.github.sparkmixtral.chat.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Templates of untrusted files: none hangs, fills the heap or ends the stack. */
class JinjaLimitsTest {

    @Test
    void boundsWhatATemplateCosts() {
        String nest = "{% for i in range(100000) %}";
        for (String template : List.of(
                nest + nest + nest + "{% endfor %}{% endfor %}{% endfor %}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{{ 'x' * 1000000000 }}",
                "{{ [0] * 1000000000 }}",
                "{{ 10 ** 100000000 }}",
                "{% set ns = namespace(t='xx') %}{% for i in range(100) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
                "{% set ns = namespace(t=[0]) %}{% for i in range(100) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
                "{% set ns = namespace(t=[]) %}{% for i in range(99999) %}{% set ns.t = [ns.t] %}{% endfor %}"
                        + "{{ ns.t == [ns.t] }}",
                "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
                "{% set a = 'a' * 8000000 %}{% for i in range(1000) %}{{ (a[1:] ~ 'b') in a }}{% endfor %}",
                "{{ " + "(".repeat(5000) + "1" + ")".repeat(5000) + " }}",
                "{{ 1" + " + 1".repeat(5000) + " }}",
                "{% if 1 %}".repeat(5000) + "{% endif %}".repeat(5000),
                "x".repeat((1 << 20) + 1))) {
            assertThatExceptionOfType(TemplateException.class)
                    .as(template.substring(0, Math.min(120, template.length())))
                    .isThrownBy(() -> JinjaTemplate.parse(template).render(new Variables()));
        }
    }

    @Test
    void formatsTheDateAsPythonDoes() {
        Clock clock = Clock.fixed(Instant.parse("2024-07-04T05:06:07Z"), ZoneOffset.UTC);
        String format = "{{ strftime_now('%d %b %Y|%B %-d, %y|%A %a|%H:%M:%S %I %p|%j %m %%') }}";
        assertThat(JinjaTemplate.parse(format).render(new Variables(), clock).value())
                .isEqualTo("04 Jul 2024|July 4, 24|Thursday Thu|05:06:07 05 AM|186 07 %");
    }
}
