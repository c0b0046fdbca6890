package reference

// Code is the stable identifier of a kind of finding: 1xxx the cluster and the installation, 2xxx the physical Dataset
// and its runtime, 3xxx the reference, 4xxx the sidecar and the pod. A code is never used again for something else.
type Code string

// Codes of the findings. Each has a row in kinds and a text in each language.
const (
	CodeUnread                  Code = "KF1001"
	CodeNameNeededByNeighbour   Code = "KF1010"
	CodeCopySharedWithNeighbour Code = "KF1011"
	CodePodWouldBeDenied        Code = "KF1012"

	CodeKubernetesTooOld     Code = "KF1020"
	CodeNoSelfHealing        Code = "KF1021"
	CodeKubeletBug           Code = "KF1022"
	CodeDefinitionMissing    Code = "KF1023"
	CodeDefinitionForeign    Code = "KF1024"
	CodeNobodyServes         Code = "KF1025"
	CodeTwoControllers       Code = "KF1026"
	CodeControllerNotReady   Code = "KF1027"
	CodeWebhookMissing       Code = "KF1028"
	CodeWebhookFails         Code = "KF1029"
	CodeCertificateInvalid   Code = "KF1030"
	CodeCertificateExpires   Code = "KF1031"
	CodeRightsMissing        Code = "KF1032"
	CodeControllerRights     Code = "KF1033"
	CodeServerUnreachable    Code = "KF1035"
	CodePhysicalMissing      Code = "KF2001"
	CodePhysicalUnbound      Code = "KF2002"
	CodeFuseMissing          Code = "KF2003"
	CodeVolumeMissing        Code = "KF2004"
	CodeSourceMissing        Code = "KF2005"
	CodeChain                Code = "KF2006"
	CodeRuntimeNoSidecar     Code = "KF2007"
	CodePhysicalDeleted      Code = "KF2008"
	CodeTemplateUnusable     Code = "KF2009"
	CodeTemplateClaim        Code = "KF2010"
	CodeNotRecorded          Code = "KF2011"
	CodeSharedWithInvalid    Code = "KF2012"
	CodeSecretsNotGranted    Code = "KF2013"
	CodeInitContainersLost   Code = "KF2014"
	CodePodSettingsLost      Code = "KF2015"
	CodeNodeNeeds            Code = "KF2016"
	CodeServiceAccountNeeded Code = "KF2017"
	CodeCredentialsShown     Code = "KF2018"
	CodePhysicalReplaced     Code = "KF2019"
	CodeVolumeOnly           Code = "KF2020"

	CodeMountPointMalformed  Code = "KF3001"
	CodeMountsMixed          Code = "KF3002"
	CodeSelfReference        Code = "KF3003"
	CodeMirrorNameTaken      Code = "KF3004"
	CodeClaimNameTaken       Code = "KF3005"
	CodeVolumeNameTaken      Code = "KF3006"
	CodeRuntimeNameTaken     Code = "KF3007"
	CodeNameInvalid          Code = "KF3008"
	CodeFieldsIgnored        Code = "KF3009"
	CodeMountPointChanged    Code = "KF3010"
	CodeBeingDeleted         Code = "KF3011"
	CodeDatasetNameTaken     Code = "KF3012"
	CodeSourceNameInUse      Code = "KF3013"
	CodeNotShared            Code = "KF3014"
	CodeNotAllowed           Code = "KF3015"
	CodePodSecurity          Code = "KF3016"
	CodeWriteRefused         Code = "KF3017"
	CodeMirrorNameWanted     Code = "KF3018"
	CodeAccessModesInvalid   Code = "KF3019"
	CodeAccessModesIgnored   Code = "KF3020"
	CodeOperationOnReference Code = "KF3021"
	CodeCopyStale            Code = "KF3022"
	CodeNamesUnchecked       Code = "KF3023"

	CodePodClaimUnresolved  Code = "KF4002"
	CodeNoNativeSidecars    Code = "KF4004"
	CodePodNoDataset        Code = "KF4005"
	CodePodUnsupportedUsage Code = "KF4006"
	CodePodNotLabelled      Code = "KF4007"
	CodePodInjectionOff     Code = "KF4008"
	CodePodNotInjected      Code = "KF4009"
	CodeSidecarNotReady     Code = "KF4010"
	CodeTemplateUnreadable  Code = "KF4011"
	CodeNoPodTemplate       Code = "KF4012"
	CodeSwitchUnknown       Code = "KF4013"
	CodeInitContainerReads  Code = "KF4014"
	CodeClassicKeepsRunning Code = "KF4015"
	CodeSharedDirectory     Code = "KF4016"
	CodeDeprecatedSwitch    Code = "KF4017"
	CodeSwitchUnsupported   Code = "KF4018"
	CodePropagationReplaced Code = "KF4019"
	CodeGraceShort          Code = "KF4020"
	CodeNestedTooDeep       Code = "KF4021"
	CodeSidecarLost         Code = "KF4040"
	CodeSidecarAltered      Code = "KF4041"
	CodeMountAltered        Code = "KF4042"
)

// kind is what is the same of a kind of finding in every language.
type kind struct {
	code     Code
	severity Severity
	// reason is the name for conditions and events.
	reason string
}

// kinds lists the kinds of findings in the order of their codes.
var kinds = []kind{
	{CodeUnread, Inconclusive, "Unread"},
	{CodeNameNeededByNeighbour, Error, "NameNeededByNeighbour"},
	{CodeCopySharedWithNeighbour, Warning, "CopySharedWithNeighbour"},
	{CodePodWouldBeDenied, Error, "PodWouldBeDenied"},

	{CodeKubernetesTooOld, Error, "KubernetesTooOld"},
	{CodeNoSelfHealing, Warning, "NoSelfHealing"},
	{CodeKubeletBug, Warning, "KubeletBug"},
	{CodeDefinitionMissing, Error, "DefinitionMissing"},
	{CodeDefinitionForeign, Error, "DefinitionForeign"},
	{CodeNobodyServes, Error, "NobodyServesReferences"},
	{CodeTwoControllers, Warning, "TwoControllers"},
	{CodeControllerNotReady, Error, "ControllerNotReady"},
	{CodeWebhookMissing, Error, "WebhookMissing"},
	{CodeWebhookFails, Error, "WebhookFails"},
	{CodeCertificateInvalid, Error, "CertificateInvalid"},
	{CodeCertificateExpires, Warning, "CertificateExpires"},
	{CodeRightsMissing, Warning, "RightsMissing"},
	{CodeControllerRights, Error, "ControllerRightsMissing"},
	{CodeServerUnreachable, Error, "ServerUnreachable"},

	{CodePhysicalMissing, Waiting, "PhysicalDatasetMissing"},
	{CodePhysicalUnbound, Waiting, "PhysicalDatasetNotBound"},
	{CodeFuseMissing, Waiting, "FuseDaemonSetMissing"},
	{CodeVolumeMissing, Waiting, "PhysicalVolumeMissing"},
	{CodeSourceMissing, Waiting, "SourceMissing"},
	{CodeChain, Error, "ReferenceToReference"},
	{CodeRuntimeNoSidecar, Error, "RuntimeWithoutSidecar"},
	{CodePhysicalDeleted, Error, "PhysicalDatasetBeingDeleted"},
	{CodeTemplateUnusable, Error, "FuseTemplateUnusable"},
	{CodeTemplateClaim, Error, "FuseTemplateNeedsClaim"},
	{CodeNotRecorded, Waiting, "NotRecorded"},
	{CodeSharedWithInvalid, Warning, "SharedWithInvalid"},
	{CodeSecretsNotGranted, Error, "SecretsNotGranted"},
	{CodeInitContainersLost, Warning, "InitContainersLost"},
	{CodePodSettingsLost, Warning, "PodSettingsLost"},
	{CodeNodeNeeds, Warning, "NodeNeeds"},
	{CodeServiceAccountNeeded, Warning, "ServiceAccountNeeded"},
	{CodeCredentialsShown, Warning, "CredentialsShown"},
	{CodePhysicalReplaced, Note, "PhysicalReplaced"},
	{CodeVolumeOnly, Warning, "VolumeOnly"},

	{CodeMountPointMalformed, Error, "MountPointMalformed"},
	{CodeMountsMixed, Error, "MountsMixed"},
	{CodeSelfReference, Error, "SelfReference"},
	{CodeMirrorNameTaken, Error, "MirrorNameTaken"},
	{CodeClaimNameTaken, Error, "ClaimNameTaken"},
	{CodeVolumeNameTaken, Error, "VolumeNameTaken"},
	{CodeRuntimeNameTaken, Error, "RuntimeNameTaken"},
	{CodeNameInvalid, Error, "NameInvalid"},
	{CodeFieldsIgnored, Note, "FieldsIgnored"},
	{CodeMountPointChanged, Error, "MountPointChanged"},
	{CodeBeingDeleted, Waiting, "BeingDeleted"},
	{CodeDatasetNameTaken, Error, "DatasetNameTaken"},
	{CodeSourceNameInUse, Note, "SourceNameInUse"},
	{CodeNotShared, Error, "NotShared"},
	{CodeNotAllowed, Error, "NotAllowed"},
	{CodePodSecurity, Warning, "PodSecurityForbidsSidecar"},
	{CodeWriteRefused, Error, "WriteRefused"},
	{CodeMirrorNameWanted, Error, "MirrorNameWanted"},
	{CodeAccessModesInvalid, Error, "AccessModesInvalid"},
	{CodeAccessModesIgnored, Note, "AccessModesIgnored"},
	{CodeOperationOnReference, Warning, "OperationOnReference"},
	{CodeCopyStale, Error, "CopyStale"},
	{CodeNamesUnchecked, Waiting, "NamesUnchecked"},

	{CodePodClaimUnresolved, Error, "DatasetNotReady"},
	{CodeNoNativeSidecars, Error, "NoNativeSidecars"},
	{CodePodNoDataset, Note, "NoDataset"},
	{CodePodUnsupportedUsage, Error, "UnsupportedUsage"},
	{CodePodNotLabelled, Warning, "InjectionNotAsked"},
	{CodePodInjectionOff, Warning, "InjectionForbidden"},
	{CodePodNotInjected, Error, "NotInjected"},
	{CodeSidecarNotReady, Waiting, "SidecarNotReady"},
	{CodeTemplateUnreadable, Error, "PodTemplateUnreadable"},
	{CodeNoPodTemplate, Note, "NoPodTemplate"},
	{CodeSwitchUnknown, Error, "SwitchUnknown"},
	{CodeInitContainerReads, Error, "InitContainerReadsDataset"},
	{CodeClassicKeepsRunning, Warning, "ClassicSidecarKeepsPodRunning"},
	{CodeSharedDirectory, Warning, "HostDirectoryShared"},
	{CodeDeprecatedSwitch, Warning, "SwitchDeprecated"},
	{CodeSwitchUnsupported, Warning, "SwitchUnsupported"},
	{CodePropagationReplaced, Warning, "MountPropagationReplaced"},
	{CodeGraceShort, Warning, "TerminationGracePeriodShort"},
	{CodeNestedTooDeep, Error, "NestedDatasetsTooDeep"},
	{CodeSidecarLost, Error, "SidecarLost"},
	{CodeSidecarAltered, Error, "SidecarAltered"},
	{CodeMountAltered, Error, "MountAltered"},
}

// text explains a kind of finding in one language.
type text struct {
	// title is one line without a full stop.
	title string
	// meaning says what it is and where the rule comes from, in sentences.
	meaning string
	// remedy says what to do, without a capital letter and a full stop; empty where there is nothing to do.
	remedy string
}

// Entry explains a kind of finding.
type Entry struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Reason is the name for conditions and events.
	Reason string `json:"reason"`
	// Title is one line without a full stop.
	Title string `json:"title"`
	// Meaning says what it is and where the rule comes from.
	Meaning string `json:"meaning"`
	// Remedy says what to do; empty where there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// Catalogue returns all entries in the order of their codes, in English.
func Catalogue() []Entry { return CatalogueIn(English) }

// CatalogueIn returns all entries in the order of their codes.
func CatalogueIn(language Language) []Entry {
	entries := make([]Entry, len(kinds))
	for i, kind := range kinds {
		entries[i] = kind.in(language)
	}
	return entries
}

// Explain returns the catalogue's entry for a code in English, or false.
func Explain(code Code) (Entry, bool) { return ExplainIn(English, code) }

// ExplainIn returns the catalogue's entry for a code, or false.
func ExplainIn(language Language, code Code) (Entry, bool) {
	for _, kind := range kinds {
		if kind.code == code {
			return kind.in(language), true
		}
	}
	return Entry{}, false
}

func (k kind) in(language Language) Entry {
	text := language.texts()[k.code]
	return Entry{Code: k.code, Severity: k.severity, Reason: k.reason, Title: text.title, Meaning: text.meaning, Remedy: text.remedy}
}
