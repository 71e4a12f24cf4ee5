package io.github.sparkmixtral.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.github.sparkmixtral.agent.AgentOptions.Format;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ToolboxTest {
    private static final ClassLoader OWN = ToolboxTest.class.getClassLoader();

    @TempDir
    private Path directory;

    /** As a user's jar has one. */
    public static class Shout implements AgentTool {
        @Override
        public String name() {
            return "shout";
        }

        @Override
        public String description() {
            return "says it louder";
        }

        @Override
        public String call(JsonNode input) {
            return input.textValue() + "!";
        }
    }

    /** Wants what no constraint can hold. */
    public static final class Picky extends Shout {
        @Override
        public String inputSchema() {
            return "{\"not\": {}}";
        }
    }

    @AfterEach
    void restore() {
        Thread.currentThread().setContextClassLoader(OWN);
    }

    private static AgentOptions options(String... tools) {
        return new AgentOptions(List.of(tools), 3, 5, null, Format.AUTO);
    }

    private void onClassPath(Class<?>... tools) throws Exception {
        Path services = Files.createDirectories(directory.resolve("META-INF/services"));
        List<String> names = List.of(tools).stream().map(Class::getName).toList();
        Files.write(services.resolve(AgentTool.class.getName()), names);
        URL[] urls = {directory.toUri().toURL()};
        Thread.currentThread().setContextClassLoader(new URLClassLoader(urls, OWN));
    }

    @Test
    void toolsOfTheClassPathAreFoundByName() throws Exception {
        onClassPath(Shout.class);
        Toolbox toolbox = Toolbox.of(options("shout"), List.of());
        assertThat(toolbox.call("shout", TextNode.valueOf("hey")).text()).isEqualTo("hey!");
        assertThat(toolbox.call("Calculator", TextNode.valueOf("1")).error())
                .isEqualTo("there is no tool Calculator; there are shout");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Toolbox.of(options("whisper"), List.of()))
                .withMessage("there is no tool whisper; there are Calculator, shout");
    }

    @Test
    void toolsThatCannotBeCalledAreRefused() throws Exception {
        onClassPath(Picky.class);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Toolbox.of(options("Calculator"), List.of()))
                .withMessageContaining(
                        "the tool shout (" + Picky.class.getName() + ") has an input that cannot be asked for")
                .withMessageContaining("the JSON schema at #/not takes no value at all");
        onClassPath(ToolboxTest.class);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Toolbox.of(options("Calculator"), List.of()))
                .withMessageContaining("a tool on the class path cannot be used")
                .withMessageContaining(ToolboxTest.class.getName() + " not a subtype");
    }

    @Test
    void searchGivesPassagesBestFirst() throws Exception {
        Search search = new Search(question -> question.equals("none") ? List.of() : List.of("one", "two"));
        Toolbox toolbox = Toolbox.of(options("Search"), List.of(search));
        assertThat(toolbox.call("Search", TextNode.valueOf("some")).text()).isEqualTo("one\n\ntwo");
        assertThat(toolbox.call("Search", TextNode.valueOf("none")).text()).isEqualTo("nothing found");
    }

    /** The words that the demo's model has learned. */
    @Test
    void promptListsToolsWithExamples() {
        Toolbox toolbox = Toolbox.of(options("Calculator", "Search"), List.of(new Search(_ -> List.of())));
        assertThat(new JsonCalls(toolbox, null)
                        .begin("Why?")
                        .messages()
                        .getFirst()
                        .content())
                .isEqualTo("""
                        You have three tools: Calculator (Python code that sets output), Search (a query) and Final Answer (the answer).
                        Reply in JSON with the keys tool_name and input. Examples:
                        {"tool_name": "Calculator", "input": "output = 4 * 25"}
                        {"tool_name": "Search", "input": "weather in Rome"}
                        {"tool_name": "Final Answer", "input": "The answer is 100."}""");
        assertThat(new JsonCalls(toolbox, "Call {tools}.")
                        .begin("Why?")
                        .messages()
                        .getFirst()
                        .content())
                .startsWith("Call three tools: Calculator (");
    }
}
