"""Where the rooms are put together: each part is built at first use, so a function loads only what it calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from parley.core import secrets
from parley.core.clock import SystemClock
from parley.core.config import Settings

if TYPE_CHECKING:
    from parley.account.access_keys import AccessKeyKeeper
    from parley.account.personal_data import PersonalData
    from parley.account.preferences import Preferences
    from parley.account.public_lists import PublicLists
    from parley.account.settings import Account
    from parley.account.usage import UsageReports
    from parley.admission.access_keys import AccessKeys
    from parley.admission.degraded import DegradedMode
    from parley.admission.held_request import Admission
    from parley.admission.known_callers import KnownCallers
    from parley.admission.requests import Requests
    from parley.chat.conversations import Conversations
    from parley.chat.grounding import Grounding
    from parley.chat.service import Chat
    from parley.completion.completions import Completions
    from parley.completion.routing import Router
    from parley.core.provider_names import ProviderName
    from parley.core.queues import WorkQueue
    from parley.database.connection import Database
    from parley.embedding.call import EmbeddingCalls
    from parley.embedding.embedder import Embedder
    from parley.gamification.leaderboard import Standings
    from parley.gamification.profiles import Profiles
    from parley.gamification.rewards import Rewards
    from parley.interviews.conduct import Conduct
    from parley.interviews.feedback import FeedbackRequests
    from parley.interviews.feedback_writer import FeedbackWriter
    from parley.interviews.practice import Practice
    from parley.interviews.service import QuestionGenerator
    from parley.interviews.sessions import Interviews
    from parley.interviews.voice_assistant import VoiceAssistants
    from parley.interviews.voice_calls import VoiceCalls
    from parley.interviews.voice_inbox import VoiceInbox
    from parley.interviews.voice_records import VoiceRecords
    from parley.interviews.voice_tokens import CallTokens
    from parley.operations.admin import Admin
    from parley.operations.content import ContentKeeper
    from parley.operations.faqs import Faqs
    from parley.operations.maintenance import Maintenance
    from parley.operations.usage_replay import UsageReplay
    from parley.own_keys.cipher import KeyCipher
    from parley.own_keys.rotate import KeyRotation
    from parley.own_keys.store import KeyStore
    from parley.own_keys.verify import KeyVerifier
    from parley.providers.catalogue import Catalogue
    from parley.providers.protocol import Provider
    from parley.providers.transport import SharedClient
    from parley.providers.voice_vendor import VoiceVendor
    from parley.retrieval.retrieval import Retrieval
    from parley.search.content import Content
    from parley.search.documents import Documents
    from parley.search.interactions import Interactions
    from parley.search.service import Search
    from parley.wire.chat_completions import ChatCompletions
    from parley.wire.embeddings import OpenAIEmbeddings
    from parley.wire.models import Models


class Container:
    """The parts of one function's container."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()

    @classmethod
    def from_environment(cls, *, calls_models: bool = False) -> Container:
        """Read the environment once. Raises ConfigurationError.

        Args:
            calls_models: whether a snapshot of this function (SnapStart) should hold the providers' SDKs, which would
                otherwise be imported by the first call after each restore.
        """
        container = cls(Settings.from_environment(os.environ))
        if calls_models and os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            from snapshot_restore_py import register_before_snapshot

            register_before_snapshot(container._load_sdks)
        return container

    def _load_sdks(self) -> None:
        for provider in self.providers.values():
            provider.load()

    @cached_property
    def database(self) -> Database:
        """The container's one connection, opened at first use."""
        from parley.database.connection import Database

        return Database(
            lambda: secrets.database_url(self.settings), renewed=lambda: secrets.renewed_database_url(self.settings)
        )

    @cached_property
    def known_callers(self) -> KnownCallers:
        """What this container remembers of its callers."""
        from parley.admission.known_callers import KnownCallers

        return KnownCallers()

    @cached_property
    def access_keys(self) -> AccessKeys:
        """Whose a machine key is."""
        from parley.admission.access_keys import AccessKeys

        return AccessKeys(self.database, self.clock)

    @cached_property
    def access_key_keeper(self) -> AccessKeyKeeper:
        """Making and revoking machine keys."""
        from parley.account.access_keys import AccessKeyKeeper

        return AccessKeyKeeper(self.database, self.clock)

    @cached_property
    def preferences(self) -> Preferences:
        """S1's preference service."""
        from parley.account.preferences import Preferences

        return Preferences(self.database, self.known_callers, self.settings.default_spelling)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Models and prices."""
        from parley.providers.catalogue import Catalogue

        return Catalogue.shipped()

    @cached_property
    def http(self) -> SharedClient:
        """The HTTP client of all providers."""
        from parley.providers.transport import SharedClient

        return SharedClient()

    @cached_property
    def providers(self) -> Mapping[ProviderName, Provider]:
        """The providers' adapters; each imports its SDK at its first call."""
        from parley.providers.registry import Providers

        return Providers(self.settings.provider_urls, self.http)

    @cached_property
    def router(self) -> Router:
        """Order, retry and breaker."""
        from random import SystemRandom

        from parley.completion.routing import Router

        # The system's randomness: containers restored from one snapshot would otherwise back off in step.
        return Router(
            self.providers,
            self.catalogue,
            self.clock,
            SystemRandom().random,
            self.http.interrupt,
            lambda: self.http.progress,
            self._renewed_key,
        )

    @cached_property
    def key_cipher(self) -> KeyCipher:
        """Users' own keys."""
        from parley.own_keys.cipher import KeyCipher

        return KeyCipher(self.settings.kms_key_id, self.clock)

    @cached_property
    def requests(self) -> Requests:
        """The two statements around a request."""
        from parley.admission.requests import Requests

        return Requests(self.database, self.clock, self.known_callers, self.access_keys)

    @cached_property
    def admission(self) -> Admission:
        """What held requests are admitted and finished with."""
        from parley.admission.held_request import Admission

        return Admission(self.requests, lambda: self.degraded, self.catalogue, self.clock)

    @cached_property
    def degraded(self) -> DegradedMode:
        """What goes on while the database is away."""
        from parley.admission.degraded import DegradedMode

        return DegradedMode(
            allowance=self.settings.degraded_allowance,
            queue_url=self.settings.usage_queue_url,
            known_callers=self.known_callers,
            access_keys=self.access_keys,
            key_cipher=self.key_cipher,
            clock=self.clock,
        )

    @property
    def operator_keys(self) -> dict[ProviderName, str]:
        """The operator's provider keys, as they are now."""
        return secrets.provider_keys(self.settings)

    def _renewed_key(self, provider: ProviderName, refused: str) -> str | None:
        return secrets.renewed_provider_key(self.settings, provider, refused)

    @cached_property
    def completions(self) -> Completions:
        """Model calls."""
        from parley.completion.cache import SemanticCache
        from parley.completion.completions import Completions

        return Completions(
            admission=self.admission,
            router=self.router,
            embedder=lambda: self.embedder,
            semantic_cache=SemanticCache(self.database),
            key_cipher=self.key_cipher,
            operator_keys=lambda: self.operator_keys,
            catalogue=self.catalogue,
            settings=self.settings,
        )

    @cached_property
    def chat(self) -> Chat:
        """The chat service."""
        from parley.chat.service import Chat

        return Chat(self.completions, lambda: self.grounding)

    @cached_property
    def chat_completions(self) -> ChatCompletions:
        """OpenAI's format of chat."""
        from parley.wire.chat_completions import ChatCompletions

        return ChatCompletions(self.completions)

    @cached_property
    def openai_embeddings(self) -> OpenAIEmbeddings:
        """OpenAI's format of embeddings."""
        from parley.wire.embeddings import OpenAIEmbeddings

        return OpenAIEmbeddings(self.embedding_calls, self.catalogue)

    @cached_property
    def openai_models(self) -> Models:
        """OpenAI's list of models."""
        from parley.completion.operator_models import OperatorModels
        from parley.wire.models import Models

        return Models(self.catalogue, OperatorModels(self.catalogue, self.settings))

    @cached_property
    def grounding(self) -> Grounding:
        """Passages for chat."""
        from parley.chat.grounding import Grounding

        return Grounding(
            self.retrieval, lambda: self.embedder, lambda: self.operator_keys, self.settings.daily_free_writes
        )

    @cached_property
    def questions(self) -> QuestionGenerator:
        """The question service."""
        from parley.interviews.service import QuestionGenerator

        return QuestionGenerator(self.completions, self.database)

    @cached_property
    def interviews(self) -> Interviews:
        """Interviews."""
        from parley.interviews.sessions import Interviews

        return Interviews(self.database, lambda: self.questions, self.settings.daily_free_writes)

    @cached_property
    def conduct(self) -> Conduct:
        """Conducting interviews."""
        from parley.interviews.conduct import Conduct

        return Conduct(self.database, self.completions, self.feedback_queue, lambda: self.voice_assistants)

    @cached_property
    def practice(self) -> Practice:
        """Practice: single answers, graded."""
        from parley.interviews.practice import Practice

        return Practice(self.database, self.completions)

    @cached_property
    def feedback_queue(self) -> WorkQueue:
        """What asks the worker for an interview's feedback, by the interview's id."""
        from parley.core.queues import INTERVIEW_FEEDBACK, WorkQueue

        return WorkQueue(self.settings.work_queue_url, INTERVIEW_FEEDBACK)

    @cached_property
    def call_tokens(self) -> CallTokens:
        """What shows that a voice call is an interview's."""
        from parley.interviews.voice_tokens import CallTokens

        return CallTokens(lambda: secrets.voice(self.settings))

    @cached_property
    def voice_assistants(self) -> VoiceAssistants:
        """What voice calls are started with."""
        from parley.interviews.voice_assistant import VoiceAssistants

        return VoiceAssistants(
            self.database, self.call_tokens, self.settings.default_provider, self.catalogue.default_chat_models()
        )

    @cached_property
    def voice_inbox(self) -> VoiceInbox:
        """Voice calls' events, coming in."""
        from parley.interviews.voice_inbox import VoiceInbox

        return VoiceInbox(
            self.database,
            lambda: secrets.voice(self.settings),
            self.voice_event_queue,
            self.voice_call_queue,
            self.clock,
        )

    @cached_property
    def voice_calls(self) -> VoiceCalls:
        """Voice calls' events, for the worker."""
        from parley.interviews.voice_calls import VoiceCalls

        return VoiceCalls(
            self.database,
            self.call_tokens,
            lambda: self.voice_vendor,
            lambda: self.voice_call_queue,
            lambda: self.feedback_queue,
        )

    @cached_property
    def voice_vendor(self) -> VoiceVendor:
        """The voice vendor's API."""
        from parley.providers.voice_vendor import VoiceVendor

        return VoiceVendor(self.settings.voice_url, lambda: secrets.voice(self.settings), self.http)

    @cached_property
    def voice_records(self) -> VoiceRecords:
        """What callers see of voice calls."""
        from parley.interviews.voice_records import VoiceRecords

        return VoiceRecords(self.database, lambda: self.voice_vendor)

    @cached_property
    def voice_event_queue(self) -> WorkQueue:
        """What asks the worker for a voice call's event, by its id in the inbox."""
        from parley.core.queues import VOICE_EVENT, WorkQueue

        return WorkQueue(self.settings.work_queue_url, VOICE_EVENT)

    @cached_property
    def voice_call_queue(self) -> WorkQueue:
        """What asks the worker for a call whose report is missing, by its id."""
        from parley.core.queues import VOICE_CALL, WorkQueue

        return WorkQueue(self.settings.work_queue_url, VOICE_CALL)

    @cached_property
    def call_deletion_queue(self) -> WorkQueue:
        """What asks the worker to delete calls at the vendor, by the id of the first of them."""
        from parley.core.queues import CALL_DELETIONS, WorkQueue

        return WorkQueue(self.settings.work_queue_url, CALL_DELETIONS)

    @cached_property
    def feedback(self) -> FeedbackRequests:
        """Feedback on interviews, for callers."""
        from parley.interviews.feedback import FeedbackRequests

        return FeedbackRequests(self.database, self.feedback_queue)

    @cached_property
    def feedback_writer(self) -> FeedbackWriter:
        """Feedback on interviews, for the worker."""
        from parley.interviews.feedback_writer import FeedbackWriter

        return FeedbackWriter(self.database, self.completions)

    @cached_property
    def embedder(self) -> Embedder:
        """Which provider and model embed."""
        from parley.embedding.embedder import Embedder

        return Embedder(self.providers, self.catalogue, self.clock, self._renewed_key)

    @cached_property
    def embedding_calls(self) -> EmbeddingCalls:
        """Embedding within the daily limit."""
        from parley.embedding.call import EmbeddingCalls

        return EmbeddingCalls(self.admission, self.embedder, lambda: self.operator_keys)

    @cached_property
    def retrieval(self) -> Retrieval:
        """Finding documents and content."""
        from parley.retrieval.retrieval import Retrieval

        return Retrieval(self.database)

    @cached_property
    def documents(self) -> Documents:
        """Documents."""
        from parley.search.documents import Documents

        return Documents(self.database, self.embedding_calls)

    @cached_property
    def search(self) -> Search:
        """Search."""
        from parley.search.service import Search

        return Search(self.database, self.retrieval, self.embedding_calls, self.settings.daily_free_writes)

    @cached_property
    def maintenance(self) -> Maintenance:
        """What schedules run."""
        from parley.operations.maintenance import Maintenance

        return Maintenance(
            self.database,
            lambda: self.feedback_queue,
            lambda: self.voice_event_queue,
            lambda: self.voice_call_queue,
            lambda: self.call_deletion_queue,
        )

    @cached_property
    def replay(self) -> UsageReplay:
        """Usage from the queue into the ledger."""
        from parley.operations.usage_replay import UsageReplay

        return UsageReplay(self.requests)

    @cached_property
    def conversations(self) -> Conversations:
        """Conversations."""
        from parley.chat.conversations import Conversations

        return Conversations(self.database)

    @cached_property
    def usage(self) -> UsageReports:
        """Usage reports."""
        from parley.account.usage import UsageReports

        return UsageReports(self.database, self.clock)

    @cached_property
    def public_lists(self) -> PublicLists:
        """Providers and FAQs."""
        from parley.account.public_lists import PublicLists

        return PublicLists(self.database, self.catalogue, self.clock)

    @cached_property
    def interactions(self) -> Interactions:
        """Interactions and recommendations."""
        from parley.search.interactions import Interactions

        return Interactions(self.database, self.settings.daily_free_writes)

    @cached_property
    def account(self) -> Account:
        """Settings."""
        from parley.account.settings import Account

        return Account(self.database)

    @cached_property
    def personal_data(self) -> PersonalData:
        """Export and deletion."""
        from parley.account.personal_data import PersonalData

        return PersonalData(self.database)

    @cached_property
    def profiles(self) -> Profiles:
        """Profiles."""
        from parley.gamification.profiles import Profiles

        return Profiles(self.database)

    @cached_property
    def rewards(self) -> Rewards:
        """Points, achievements, streaks, progress."""
        from parley.gamification.rewards import Rewards

        return Rewards(self.database)

    @cached_property
    def standings(self) -> Standings:
        """The leaderboard."""
        from parley.gamification.leaderboard import Standings

        return Standings(self.database)

    @cached_property
    def key_store(self) -> KeyStore:
        """Storing own keys."""
        from parley.own_keys.store import KeyStore

        return KeyStore(self.database, self.key_cipher)

    @cached_property
    def key_verifier(self) -> KeyVerifier:
        """Verifying own keys."""
        from parley.own_keys.verify import KeyVerifier

        return KeyVerifier(self.database, self.key_cipher, self.providers, self.catalogue)

    @cached_property
    def key_rotation(self) -> KeyRotation:
        """Rotating own keys."""
        from parley.own_keys.rotate import KeyRotation

        return KeyRotation(self.database, self.key_cipher)

    @cached_property
    def content(self) -> Content:
        """Content, for everybody signed in."""
        from parley.search.content import Content

        return Content(self.database)

    @cached_property
    def content_keeper(self) -> ContentKeeper:
        """Content, for operators."""
        from parley.operations.content import ContentKeeper

        return ContentKeeper(
            self.database, lambda: self.embedder, lambda: self.operator_keys, self.catalogue, self.clock
        )

    @cached_property
    def faqs(self) -> Faqs:
        """Answers without a model, for operators."""
        from parley.operations.faqs import Faqs

        return Faqs(self.database)

    @cached_property
    def admin(self) -> Admin:
        """What operators do."""
        from parley.operations.admin import Admin

        return Admin(self.database, self.clock)
