package io.github.sparkmixtral;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import io.github.sparkmixtral.job.BatchInferenceJob;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may know whom. */
class ArchitectureTest {
    private static final String ROOT = "io.github.sparkmixtral";
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(ROOT);

    @Test
    void onlyTheJobsEntryKnowsTheCommandLine() {
        noClasses()
                .that()
                .resideOutsideOfPackage(ROOT + ".job.cli..")
                .and()
                .doNotHaveFullyQualifiedName(BatchInferenceJob.class.getName())
                .should()
                .dependOnClassesThat()
                .resideInAPackage(ROOT + ".job.cli..")
                .check(CLASSES);
    }

    @Test
    void packagesFormNoCycle() {
        slices().matching(ROOT + ".job.(*)").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void nobodyButTheTransformerNeedsSparkMl() {
        noClasses()
                .that()
                .haveNameNotMatching(".*\\.Mixtral(Transformer|Parameters)")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.spark.ml..")
                .check(CLASSES);
    }

    @ParameterizedTest
    @ValueSource(classes = {Mixtral.class, Mixtral.Token.class, MixtralParameters.class, MixtralTransformer.class})
    void apiExposesNoInnerTypes(Class<?> type) {
        List<String> inner = CLASSES.get(type).getMethods().stream()
                .filter(method -> method.getModifiers().contains(JavaModifier.PUBLIC))
                .flatMap(ArchitectureTest::exposed)
                .map(JavaClass::getName)
                .filter(name -> name.contains(".") && !name.matches("(java|scala|org\\.apache\\.spark)\\..*"))
                .filter(name -> !name.matches("\\Q" + ROOT + ".Mixtral\\E\\w*(\\$Token)?"))
                .toList();
        assertThat(inner).isEmpty();
    }

    private static Stream<JavaClass> exposed(JavaMethod method) {
        return Stream.of(
                        method.getReturnType().getAllInvolvedRawTypes().stream(),
                        method.getParameterTypes().stream()
                                .flatMap(parameter -> parameter.getAllInvolvedRawTypes().stream()))
                .flatMap(types -> types);
    }
}
