package io.github.sparkmixtral.agent;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.github.sparkmixtral.grammar.GrammarException;
import io.github.sparkmixtral.grammar.StructuredOutput;
import io.github.sparkmixtral.grammar.StructuredOutput.Kind;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/** The tools that rows may call, and their calls. May be used by many threads at once. */
public final class Toolbox {
    /** What a model calls to give its answer. */
    static final String FINAL_ANSWER = "Final Answer";

    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_-]{1,64}");
    private static final int MOST_ERROR_CHARACTERS = 500;
    private static final JsonMapper JSON = new JsonMapper();

    private final Map<String, AgentTool> tools;
    private final int timeoutSeconds;

    /**
     * What a call led to: one of the two is null.
     *
     * @param text what the tool said
     * @param error why it said nothing
     */
    record Output(String text, String error) {}

    private Toolbox(Map<String, AgentTool> tools, int timeoutSeconds) {
        this.tools = tools;
        this.timeoutSeconds = timeoutSeconds;
    }

    /**
     * Finds tools.
     *
     * @param given those that are there beside the calculator and what is on the class path
     * @throws IllegalArgumentException for a name that is none's or two tools', or a tool that cannot be called
     */
    public static Toolbox of(AgentOptions options, Collection<AgentTool> given) {
        Map<String, AgentTool> known = new LinkedHashMap<>();
        List<AgentTool> all = new ArrayList<>(List.of(new Calculator()));
        all.addAll(given);
        all.addAll(ofClassPath());
        for (AgentTool tool : all) {
            requireCallable(tool);
            AgentTool other = known.putIfAbsent(tool.name(), tool);
            if (other != null) {
                throw new IllegalArgumentException("two tools are called " + tool.name() + ", "
                        + other.getClass().getName() + " and " + tool.getClass().getName()
                        + ": take one from the class path, or give it another name");
            }
        }
        Map<String, AgentTool> chosen = new LinkedHashMap<>();
        for (String name : options.tools()) {
            AgentTool tool = known.get(name);
            if (tool == null) {
                throw new IllegalArgumentException(
                        "there is no tool " + name + "; there are " + String.join(", ", known.keySet()));
            }
            chosen.put(name, tool);
        }
        if (chosen.isEmpty()) {
            throw new IllegalArgumentException("there are no tools to call: name one");
        }
        return new Toolbox(chosen, options.toolTimeoutSeconds());
    }

    /**
     * The tools as far as they are known before anything is searched: for checks.
     *
     * @throws IllegalArgumentException as {@link #of} does
     */
    public static Toolbox ofNames(AgentOptions options) {
        return of(options, options.searches() ? List.of(new Search(question -> List.of())) : List.of());
    }

    private static List<AgentTool> ofClassPath() {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        try {
            return ServiceLoader.load(AgentTool.class, context == null ? Toolbox.class.getClassLoader() : context)
                    .stream()
                    .map(ServiceLoader.Provider::get)
                    .toList();
        } catch (ServiceConfigurationError unusable) {
            throw new IllegalArgumentException(
                    "a tool on the class path cannot be used: " + unusable.getMessage(), unusable);
        }
    }

    private static void requireCallable(AgentTool tool) {
        String place = "the tool " + tool.name() + " (" + tool.getClass().getName() + ") ";
        if (tool.name() == null || !NAME.matcher(tool.name()).matches()) {
            throw new IllegalArgumentException(place
                    + "has no name that a model can call: it needs 1 to 64 letters, digits, underscores and dashes");
        }
        try {
            new StructuredOutput(Kind.JSON, tool.inputSchema()).check();
            if (tool.example() != null) {
                parsed(tool.example());
            }
        } catch (GrammarException | IllegalArgumentException unusable) {
            throw new IllegalArgumentException(
                    place + "has an input that cannot be asked for: " + unusable.getMessage(), unusable);
        }
    }

    /** The tools, in the order in which they were named. */
    Collection<AgentTool> tools() {
        return tools.values();
    }

    /**
     * JSON that is known to be some.
     *
     * @throws IllegalArgumentException where it is none
     */
    static JsonNode parsed(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException invalid) {
            throw new IllegalArgumentException(
                    "no JSON: "
                            + invalid.getOriginalMessage().lines().findFirst().orElse(""),
                    invalid);
        }
    }

    /** Calls a tool, which runs in a thread of its own, for it may never end. */
    Output call(String name, JsonNode input) throws InterruptedException {
        AgentTool tool = tools.get(name);
        if (tool == null) {
            return new Output(null, "there is no tool " + name + "; there are " + String.join(", ", tools.keySet()));
        }
        FutureTask<String> call = new FutureTask<>(() -> tool.call(input));
        Thread thread =
                Thread.ofPlatform().daemon().name("spark-mixtral-tool-" + name).unstarted(call);
        thread.setContextClassLoader(tool.getClass().getClassLoader());
        thread.start();
        try {
            String text = call.get(timeoutSeconds, TimeUnit.SECONDS);
            return text == null ? new Output(null, "the tool has given nothing") : new Output(text, null);
        } catch (ExecutionException failed) {
            return new Output(null, reason(failed.getCause()));
        } catch (TimeoutException late) {
            return new Output(null, "the tool has not ended within " + timeoutSeconds + " s");
        } finally {
            call.cancel(true);
        }
    }

    private static String reason(Throwable failure) {
        String message = failure.getMessage();
        String reason =
                message == null || message.isBlank() ? failure.getClass().getSimpleName() : message;
        return reason.length() <= MOST_ERROR_CHARACTERS ? reason : reason.substring(0, MOST_ERROR_CHARACTERS) + "…";
    }
}
